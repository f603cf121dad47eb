//! Times on the wire.

use std::time::Duration;

use posthorn_domain::Timestamp;

/// RFC 3339 in UTC with `Z` and milliseconds, such as `2026-11-23T16:00:00.000Z`.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    let millis = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{moment:.3}")
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

/// The moment that a text of RFC 3339 names, to the millisecond; `None` without a zone.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    let millis = u64::try_from(moment.as_millisecond()).ok()?;
    (millis <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(millis))
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
            ("2026-11-22T23:59:00", None),
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
