//! The header fields of rate limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-
//! ratelimit-headers, revision 8 and later), and the older `X-RateLimit-*` of one limit.

use std::fmt::Write;
use std::time::Duration;

use actix_web::web::BytesMut;
use posthorn_domain::Timestamp;
use posthorn_http1::HeaderLines;

use crate::wire::time::whole_seconds;

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Letters, digits and `-`.
    pub(crate) name: String,
    /// The number of requests in a window.
    pub(crate) quota: u32,
    /// The window's length in seconds.
    pub(crate) window: u32,
}

/// The limits of a request, with the parts of their texts that are the same in every response.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    /// For each limit the start of its part of `RateLimit`, and the start of the older fields.
    parts: Vec<(String, String)>,
    /// The line of `RateLimit-Policy`.
    line: String,
}

/// The use of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The number of requests left in the window.
    pub(crate) remaining: u32,
    /// The time until the window allows more requests.
    pub(crate) reset: Duration,
}

impl Policies {
    pub(crate) fn new(list: &[Policy]) -> Self {
        let (mut line, mut parts) = ("ratelimit-policy: ".to_owned(), Vec::new());
        for policy in list {
            let Policy {
                name,
                quota,
                window,
            } = policy;
            let comma = if parts.is_empty() { "" } else { ", " };
            // Writing into a `String` cannot fail.
            let _ = write!(line, "{comma}\"{name}\";q={quota};w={window}");
            let older = format!("\r\nx-ratelimit-limit: {quota}");
            parts.push((format!("{comma}\"{name}\";r="), older));
        }
        line.push_str("\r\n");
        Self { parts, line }
    }
}

/// Adds the fields of all `policies` with the usage of each, and the older fields of the policy at index `tightest`,
/// whose reset is in seconds since the Unix epoch, as flask-limiter writes it. The resets are relative to `now`. Both
/// are rounded up, so that a client that waits is not too early.
pub(crate) fn push(
    lines: &HeaderLines,
    policies: &Policies,
    usages: impl Iterator<Item = Usage>,
    tightest: usize,
    now: Timestamp,
) {
    // On the hot path, so directly into the lines: names and numbers, which are visible ASCII.
    lines.append_with(|text| {
        text.extend_from_slice(policies.line.as_bytes());
        text.extend_from_slice(b"ratelimit: ");
        let mut at_tightest = None;
        for (number, ((part, limit), usage)) in policies.parts.iter().zip(usages).enumerate() {
            let Usage { remaining, reset } = usage;
            text.extend_from_slice(part.as_bytes());
            push_number(text, remaining.into());
            text.extend_from_slice(b";t=");
            push_number(text, whole_seconds(reset));
            if number == tightest {
                at_tightest = Some((limit, usage));
            }
        }
        if let Some((limit, Usage { remaining, reset })) = at_tightest {
            text.extend_from_slice(limit.as_bytes());
            text.extend_from_slice(b"\r\nx-ratelimit-remaining: ");
            push_number(text, remaining.into());
            text.extend_from_slice(b"\r\nx-ratelimit-reset: ");
            let at = Duration::from_millis(resets_at(now, reset).as_millis());
            push_number(text, whole_seconds(at));
        }
        text.extend_from_slice(b"\r\n");
    });
}

/// The tolerated difference between the clocks of this process and of the counter, in milliseconds.
const CLOCK_SKEW: u64 = 10;

/// The time at which a limit allows more requests: `reset` after `now`, rounded to a whole second that is
/// within the clock skew. A fixed window ends at a whole second, and all processes have to agree on it.
pub(crate) fn resets_at(now: Timestamp, reset: Duration) -> Timestamp {
    let at = now.saturating_add(reset).as_millis();
    let into_second = at % 1000;
    Timestamp::from_millis(if into_second <= CLOCK_SKEW {
        at - into_second
    } else if into_second >= 1000 - CLOCK_SKEW {
        at + 1000 - into_second
    } else {
        at
    })
}

fn push_number(text: &mut BytesMut, number: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_window_is_the_same_for_clocks_that_differ_a_little() {
        for (now, reset, expected) in [
            (1_000_500, 11_500, 1_012_000),
            (1_000_501, 11_500, 1_012_000),
            (1_000_499, 11_500, 1_012_000),
            (1_000_510, 11_500, 1_012_000),
            (1_000_511, 11_500, 1_012_011),
            (1_000_489, 11_500, 1_011_989),
        ] {
            let at = resets_at(Timestamp::from_millis(now), Duration::from_millis(reset));
            assert_eq!(at.as_millis(), expected, "{now}");
        }
    }

    #[test]
    fn fields_are_lists_of_structured_strings_with_parameters() {
        let policy = |name: &str, quota, window| Policy {
            name: name.to_owned(),
            quota,
            window,
        };
        let policies = Policies::new(&[
            policy("default-per-day", 200, 86_400),
            policy("default-per-hour", 50, 3600),
        ]);
        let used = |remaining, reset| Usage {
            remaining,
            reset: Duration::from_millis(reset),
        };
        let lines = HeaderLines::default();
        push(
            &lines,
            &policies,
            [used(199, 2_999_001), used(0, 11_600)].into_iter(),
            1,
            Timestamp::from_millis(1_000_500),
        );
        // The reset is at 1012.1 s.
        assert_eq!(
            lines.to_string(),
            "ratelimit-policy: \"default-per-day\";q=200;w=86400, \"default-per-hour\";q=50;w=3600\r\n\
            ratelimit: \"default-per-day\";r=199;t=3000, \"default-per-hour\";r=0;t=12\r\n\
            x-ratelimit-limit: 50\r\n\
            x-ratelimit-remaining: 0\r\n\
            x-ratelimit-reset: 1013\r\n"
        );
    }
}
