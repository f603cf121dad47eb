//! Times and durations as clients write them: `2026-11-22T23:59:00Z` (RFC 3339, 5.6), and `15m`.

use std::time::Duration;

/// A time of RFC 3339 in its parts. The calendar is not checked: it may be of a 13th month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339Parts<'a> {
    /// The date and the time of day up to its seconds, as `2026-11-22T23:59:00`.
    pub seconds: &'a str,
    /// The digits of a fraction of a second, at least one.
    pub fraction: &'a str,
    /// The offset of the zone from UTC, in seconds.
    pub offset: i64,
}

impl<'a> Rfc3339Parts<'a> {
    /// Splits a text; `None` if it does not have the form, as without a zone.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (local, zone) = text.split_at_checked(text.rfind(['Z', 'z', '+', '-'])?)?;
        let (seconds, fraction) = local.split_once('.').unwrap_or((local, "0"));
        let is_fraction =
            !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let offset = offset(zone)?;
        (is_fraction && has_shape(seconds, "0000-00-00T00:00:00")).then_some(Self {
            seconds,
            fraction,
            offset,
        })
    }
}

/// The duration that a number and `s`, `m`, `h` or `d` name.
pub fn parse_duration_back(text: &str) -> Option<Duration> {
    let seconds = match text.bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = number.parse().ok()?;
    Some(Duration::from_secs(count.saturating_mul(seconds)))
}

/// The offset of a zone from UTC, in seconds: `Z`, or a sign, hours and minutes.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, offset) = zone.split_at_checked(1)?;
    if !has_shape(offset, "00:00") {
        return None;
    }
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = 60 * (60 * hours + minutes);
    Some(if sign == "-" { -seconds } else { seconds })
}

/// True if `text` has digits where `shape` has zeros, and else the same characters in either case.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| {
            if shape == b'0' {
                byte.is_ascii_digit()
            } else {
                byte.eq_ignore_ascii_case(&shape)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_date_a_time_of_day_and_a_zone() {
        for (text, fraction, offset) in [
            ("2026-11-22T23:59:00Z", "0", 0),
            ("2026-11-23T02:59:00+03:00", "0", 10_800),
            ("2026-11-22t23:59:00.000001z", "000001", 0),
            (
                "2026-11-22t23:59:00.000000000000000000z",
                "000000000000000000",
                0,
            ),
            ("0001-01-01T00:00:00Z", "0", 0),
            ("9999-12-31T23:59:59.9999Z", "9999", 0),
            ("2026-11-22T22:29:00.5-01:30", "5", -5_400),
        ] {
            let parts = Rfc3339Parts::parse(text).unwrap();
            assert_eq!(Some(parts.seconds), text.get(..19));
            assert_eq!((parts.fraction, parts.offset), (fraction, offset), "{text}");
        }
        for text in [
            "2026-11-22T23:59:00",
            "2026-11-23T02:59:00+0300",
            "2026-11-23T02:59:00+03",
            "2026-11-24T00:59:00+25:00",
            "2026-11-23T02:59:00+03:60",
            "2026-11-22T23:59Z",
            "2026-11-22T23:59:00.Z",
            "2026-11-22 23:59:00Z",
            "+2026-11-22T23:59:00Z",
            "2026-11-22T23:59:00Z[UTC]",
            "2026-11-22",
            "Z",
            "",
            "я",
        ] {
            assert_eq!(Rfc3339Parts::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_back_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("2h", 7_200),
            ("1d", 86_400),
            ("0s", 0),
            ("36500d", 3_153_600_000),
        ] {
            let found = parse_duration_back(text);
            assert_eq!(found, Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "15",
            "m",
            "-1m",
            "+1m",
            "1.5h",
            "1w",
            "",
            "1h30m",
            "1я",
            "я",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration_back(text), None, "{text}");
        }
    }
}
