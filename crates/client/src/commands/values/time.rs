//! Times as the server reads them.

use jiff::civil::DateTime;
use posthorn_domain::{Rfc3339Parts, parse_duration_back};

/// True for a number and `s`, `m`, `h` or `d`.
pub(super) fn is_duration_back(text: &str) -> bool {
    parse_duration_back(text).is_some()
}

/// True for a time of RFC 3339 (5.6), which has a zone.
pub(super) fn is_rfc3339(text: &str) -> bool {
    let parts = Rfc3339Parts::parse(text);
    parts.is_some_and(|parts| parts.seconds.parse::<DateTime>().is_ok())
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
            "2026-02-29T23:59:00Z",
            "2026-13-01T23:59:00Z",
            "2026-11-22T24:00:00Z",
            "",
            "я",
        ] {
            assert!(!is_rfc3339(text), "{text}");
        }
    }
}
