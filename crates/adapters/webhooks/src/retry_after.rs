//! The `Retry-After` field (RFC 9110, 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use posthorn_application::RetryAfter;
use posthorn_domain::Timestamp;

/// The wait that `value` asks for: a number of seconds or an HTTP-date. `None` for any other value.
pub(crate) fn parse(value: &str) -> Option<RetryAfter> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number beyond 64 bits is a very long wait.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(RetryAfter::Delay(Duration::from_secs(seconds)));
    }
    let time = httpdate::parse_http_date(value).ok()?;
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    Some(RetryAfter::At(Timestamp::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<RetryAfter>) {
        assert_eq!(parse(value), expected, "{value}");
    }

    #[test]
    fn seconds_and_dates_are_parsed() {
        let delay = |seconds| Some(RetryAfter::Delay(Duration::from_secs(seconds)));
        check("0", delay(0));
        check("120", delay(120));
        check(" 7\t", delay(7));
        check("99999999999999999999999999", delay(u64::MAX));
        let at = Some(RetryAfter::At(Timestamp::from_millis(784_111_777_000)));
        check("Sun, 06 Nov 1994 08:49:37 GMT", at);
        check("Sunday, 06-Nov-94 08:49:37 GMT", at);
        check("Sun Nov  6 08:49:37 1994", at);
    }

    #[test]
    fn other_values_are_ignored() {
        for value in ["", "-1", "+1", "1.5", "soon", "10s", "Sun, 06 Nov 1994"] {
            check(value, None);
        }
    }
}
