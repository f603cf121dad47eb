//! Times as the server reads them.

use jiff::civil::DateTime;

/// True for a number and `s`, `m`, `h` or `d`.
pub(super) fn is_duration_back(text: &str) -> bool {
    let number = text.strip_suffix(['s', 'm', 'h', 'd']);
    number.is_some_and(|number| {
        number.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<u64>().is_ok()
    })
}

/// True for a time of RFC 3339 (5.6), which has a zone.
pub(super) fn is_rfc3339(text: &str) -> bool {
    let zone = text.rfind(['Z', 'z', '+', '-']);
    let Some((local, zone)) = zone.and_then(|start| text.split_at_checked(start)) else {
        return false;
    };
    let (seconds, fraction) = local.split_once('.').unwrap_or((local, "0"));
    is_zone(zone)
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && has_shape(seconds, "0000-00-00T00:00:00")
        && seconds.parse::<DateTime>().is_ok()
}

/// True for `Z`, and for hours and minutes with a sign.
fn is_zone(zone: &str) -> bool {
    if matches!(zone, "Z" | "z") {
        return true;
    }
    let offset = zone.get(1..).filter(|offset| has_shape(offset, "00:00"));
    let parts = offset.and_then(|offset| offset.split_once(':'));
    parts.is_some_and(|(hours, minutes)| hours <= "23" && minutes <= "59")
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
        for text in [
            "2026-11-22T23:59:00Z",
            "2026-11-23T02:59:00+03:00",
            "2026-11-22t23:59:00.000000000000000000z",
            "2026-11-22T22:29:00.0-01:30",
            "2024-02-29T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999Z",
        ] {
            assert!(is_rfc3339(text), "{text}");
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
            "2026-02-29T23:59:00Z",
            "2026-13-01T23:59:00Z",
            "2026-11-22T24:00:00Z",
            "+2026-11-22T23:59:00Z",
            "2026-11-22T23:59:00Z[UTC]",
            "2026-11-22",
            "Z",
            "",
            "я",
        ] {
            assert!(!is_rfc3339(text), "{text}");
        }
    }

    #[test]
    fn a_duration_back_is_a_number_and_a_unit() {
        for text in ["90s", "15m", "2h", "1d", "0s", "36500d"] {
            assert!(is_duration_back(text), "{text}");
        }
        for text in ["15", "m", "-1m", "+1m", "1.5h", "1w", "", "1h30m", "я"] {
            assert!(!is_duration_back(text), "{text}");
        }
    }
}
