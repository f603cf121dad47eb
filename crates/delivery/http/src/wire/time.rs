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
    fn moments_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(Timestamp::default()), "1970-01-01T00:00:00.000Z");
        let moment = Timestamp::from_millis(1_795_392_000_120);
        assert_eq!(rfc3339(moment), "2026-11-23T00:00:00.120Z");
        assert!(rfc3339(Timestamp::MAX).ends_with('Z'));
    }
}
