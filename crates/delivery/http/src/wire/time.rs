//! Times on the wire.

use std::cell::RefCell;
use std::time::Duration;

use jiff::civil::DateTime;
use posthorn_domain::Timestamp;

thread_local! {
    /// The second of the time that this thread has written last, and its text: most times are of the same second.
    static SECOND: RefCell<(Option<i64>, String)> = const { RefCell::new((None, String::new())) };
}

/// RFC 3339 in UTC with `Z` and milliseconds, such as `2026-11-23T16:00:00.000Z`.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    let millis = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    let (second, millis) = (moment.as_second(), moment.subsec_millisecond());
    SECOND.with_borrow_mut(|(known, text)| {
        if *known != Some(second) {
            *known = Some(second);
            text.clear();
            text.push_str(format!("{moment:.0}").trim_end_matches('Z'));
        }
        // Three digits, after a 1 that keeps zeros before them.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(1000 + millis).get(1..);
        [text, ".", digits.unwrap_or_default(), "Z"].concat()
    })
}

/// The duration in whole seconds, rounded up.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The moment that `since` names: a time of RFC 3339, or a duration back from `now`, such as `15m`.
pub(crate) fn parse_since(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit = text.bytes().last().and_then(|unit| match unit {
        b's' => Some(1),
        b'm' => Some(60),
        b'h' => Some(60 * 60),
        b'd' => Some(24 * 60 * 60),
        _ => None,
    });
    let number = text.get(..text.len().saturating_sub(1));
    if let (Some(seconds), Some(number)) = (unit, number)
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        let count: u64 = number.parse().ok()?;
        let back = Duration::from_secs(count.saturating_mul(seconds));
        return Some(now.saturating_sub(back));
    }
    // In a query a `+` that is not percent-encoded means a space; only the zone can begin with one.
    parse_rfc3339(&text.replace(' ', "+"))
}

/// The moment that a text of RFC 3339 names, to the millisecond; `None` without a zone. A time before
/// 1970, such as the zero of a Go program, is the earliest moment: no message is older.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (local, zone) = text.split_at_checked(text.rfind(['Z', 'z', '+', '-'])?)?;
    let offset = offset(zone)?;
    let (seconds, fraction) = local.split_once('.').unwrap_or((local, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !has_shape(seconds, "0000-00-00T00:00:00") || !is_fraction {
        return None;
    }
    let seconds: DateTime = seconds.parse().ok()?;
    // jiff takes at most nine digits of a fraction; three count. Not by its own timestamps, which end
    // before the year 9999 does.
    let digits = fraction.bytes().chain([b'0'; 3]).take(3);
    let millis = digits.fold(0, |millis, digit| 10 * millis + i64::from(digit - b'0'));
    let since_epoch = seconds.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    let moment = (since_epoch.as_secs() - offset).checked_mul(1000)? + millis;
    let millis = u64::try_from(moment).unwrap_or_default();
    (millis <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(millis))
}

/// The offset of a zone from UTC, in seconds: `Z`, or hours and minutes.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    if !has_shape(zone.get(1..)?, "00:00") {
        return None;
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = 60 * (60 * hours + minutes);
    Some(if zone.starts_with('-') {
        -seconds
    } else {
        seconds
    })
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
    fn since_is_a_time_or_a_duration_back() {
        let now = Timestamp::from_millis(1_795_392_000_000);
        for (text, back) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("0s", Some(0)),
            ("2026-11-22T23:59:00Z", Some(60)),
            ("2026-11-23T02:59:00+03:00", Some(60)),
            ("2026-11-23T02:59:00 03:00", Some(60)),
            ("2026-11-22t23:59:00.000000000000000000z", Some(60)),
            ("2026-11-22T22:29:00.0-01:30", Some(60)),
            ("2026-11-22T23:59:00-00:00", Some(60)),
            ("2026-11-22T23:59:00", None),
            ("2026-11-23T02:59:00+0300", None),
            ("2026-11-23T02:59:00+03", None),
            ("2026-11-24T00:59:00+25:00", None),
            ("2026-11-23T02:59:00+03:60", None),
            ("2026-11-22T23:59Z", None),
            ("2026-11-22T23:59:00.Z", None),
            ("2026-11-22 23:59:00Z", None),
            ("2026-02-29T23:59:00Z", None),
            ("2026-11-22T24:00:00Z", None),
            ("+2026-11-22T23:59:00Z", None),
            ("2026-11-22T23:59:00Z[UTC]", None),
            ("15", None),
            ("m", None),
            ("-1m", None),
            ("1.5h", None),
            ("1w", None),
            ("", None),
            ("я", None),
        ] {
            let expected = back.map(|back| now.saturating_sub(Duration::from_secs(back)));
            assert_eq!(parse_since(text, now), expected, "{text}");
        }
        for early in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            let earliest = Some(Timestamp::default());
            assert_eq!(parse_since(early, now), earliest, "{early}");
        }
        let latest = parse_since("9999-12-31T23:59:59.9999Z", now);
        assert_eq!(
            latest,
            Some(Timestamp::from_millis(253_402_300_799_999)),
            "the last second of the last year"
        );
        let longest = format!("{}d", u64::MAX);
        assert_eq!(parse_since(&longest, now), Some(Timestamp::default()));
    }

    #[test]
    fn moments_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(Timestamp::default()), "1970-01-01T00:00:00.000Z");
        let moment = Timestamp::from_millis(1_795_392_000_120);
        assert_eq!(rfc3339(moment), "2026-11-23T00:00:00.120Z");
        assert!(rfc3339(Timestamp::MAX).ends_with('Z'));
    }
}
