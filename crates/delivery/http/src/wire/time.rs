//! Times on the wire.

use std::cell::RefCell;
use std::time::Duration;

use jiff::civil::DateTime;
use posthorn_domain::{Rfc3339Parts, Timestamp, parse_duration_back};

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

/// What `since` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// A time.
    At(Timestamp),
    /// A duration back from the time of the store.
    Back(Duration),
}

impl Since {
    /// A time of RFC 3339, or a duration such as `15m`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(back) = parse_duration_back(text) {
            return Some(Self::Back(back));
        }
        // In a query a `+` that is not percent-encoded means a space; only the zone can begin with one.
        parse_rfc3339(&text.replace(' ', "+")).map(Self::At)
    }
}

/// The moment that a text of RFC 3339 names, to the millisecond; `None` without a zone. A time before
/// 1970, such as the zero of a Go program, is the earliest moment: no message is older.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let Rfc3339Parts {
        seconds,
        fraction,
        offset,
    } = Rfc3339Parts::parse(text)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T23:59:00Z.
    const MINUTE_BEFORE: Since = Since::At(Timestamp::from_millis(1_795_391_940_000));

    fn back(seconds: u64) -> Since {
        Since::Back(Duration::from_secs(seconds))
    }

    #[test]
    fn since_is_a_time_or_a_duration_back() {
        for (text, expected) in [
            ("90s", Some(back(90))),
            ("15m", Some(back(900))),
            ("2h", Some(back(7200))),
            ("1d", Some(back(86_400))),
            ("0s", Some(back(0))),
            ("2026-11-22T23:59:00Z", Some(MINUTE_BEFORE)),
            ("2026-11-23T02:59:00+03:00", Some(MINUTE_BEFORE)),
            ("2026-11-23T02:59:00 03:00", Some(MINUTE_BEFORE)),
            (
                "2026-11-22t23:59:00.000000000000000000z",
                Some(MINUTE_BEFORE),
            ),
            ("2026-11-22T22:29:00.0-01:30", Some(MINUTE_BEFORE)),
            ("2026-11-22T23:59:00-00:00", Some(MINUTE_BEFORE)),
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
            assert_eq!(Since::parse(text), expected, "{text}");
        }
        for early in ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            let earliest = Some(Since::At(Timestamp::default()));
            assert_eq!(Since::parse(early), earliest, "{early}");
        }
        let latest = Since::parse("9999-12-31T23:59:59.9999Z");
        assert_eq!(
            latest,
            Some(Since::At(Timestamp::from_millis(253_402_300_799_999))),
            "the last second of the last year"
        );
        let longest = format!("{}d", u64::MAX);
        assert_eq!(Since::parse(&longest), Some(back(u64::MAX)));
    }

    #[test]
    fn moments_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(Timestamp::default()), "1970-01-01T00:00:00.000Z");
        let moment = Timestamp::from_millis(1_795_392_000_120);
        assert_eq!(rfc3339(moment), "2026-11-23T00:00:00.120Z");
        assert!(rfc3339(Timestamp::MAX).ends_with('Z'));
    }
}
