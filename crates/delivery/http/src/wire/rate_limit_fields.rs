//! The header fields about limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-
//! ratelimit-headers, revision 8 and later), and the older `X-RateLimit-*` of one limit.

use std::fmt::Write;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Bytes, BytesMut};
use posthorn_domain::Timestamp;

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static STATE: HeaderName = HeaderName::from_static("ratelimit");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The texts of two limits are seldom longer.
const USUAL_BYTES: usize = 128;

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Its name, of letters, digits and `-`.
    pub(crate) name: String,
    /// How many requests its window takes.
    pub(crate) quota: u32,
    /// The window's length in seconds.
    pub(crate) window: u32,
}

/// The limits of a request, with what their texts have in common from answer to answer.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    /// Of each limit what its part of `RateLimit` begins with, and its count.
    parts: Vec<(String, HeaderValue)>,
    field: Option<HeaderValue>,
}

/// The use of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// How many requests fit now.
    pub(crate) remaining: u32,
    /// In how long there is more room.
    pub(crate) reset: Duration,
}

impl Policies {
    pub(crate) fn new(list: &[Policy]) -> Self {
        let (mut field, mut parts) = (String::new(), Vec::new());
        for policy in list {
            let Policy {
                name,
                quota,
                window,
            } = policy;
            let comma = if parts.is_empty() { "" } else { ", " };
            // Writing into a `String` cannot fail.
            let _ = write!(field, "{comma}\"{name}\";q={quota};w={window}");
            parts.push((format!("{comma}\"{name}\";r="), (*quota).into()));
        }
        // Names and numbers are visible ASCII, which always is a value.
        let field = HeaderValue::try_from(field).ok();
        Self { parts, field }
    }
}

/// Writes the fields of all `policies` with the `uses` of each, and the older ones of the one at
/// `tightest`, whose reset is a time in seconds since the Unix epoch, as flask-limiter writes it. The
/// resets are counted from `now`. Both are rounded up, so that who comes then is not too early.
pub(crate) fn put(
    headers: &mut HeaderMap,
    policies: &Policies,
    uses: impl Iterator<Item = Use>,
    tightest: usize,
    now: Timestamp,
) {
    // Every answer has these fields, so their texts share one allocation.
    let mut texts = BytesMut::with_capacity(USUAL_BYTES);
    let mut at_tightest = None;
    for (number, ((part, limit), used)) in policies.parts.iter().zip(uses).enumerate() {
        let Use { remaining, reset } = used;
        texts.extend_from_slice(part.as_bytes());
        put_number(&mut texts, remaining.into());
        texts.extend_from_slice(b";t=");
        put_number(&mut texts, whole_seconds(reset));
        if number == tightest {
            at_tightest = Some((limit, used));
        }
    }
    let state = texts.split().freeze();
    if let Some(field) = &policies.field {
        headers.insert(POLICY.clone(), field.clone());
    }
    insert(headers, &STATE, state);
    if let Some((limit, Use { remaining, reset })) = at_tightest {
        headers.insert(X_LIMIT.clone(), limit.clone());
        put_number(&mut texts, remaining.into());
        insert(headers, &X_REMAINING, texts.split().freeze());
        let at = Duration::from_millis(resets_at(now, reset).as_millis());
        put_number(&mut texts, whole_seconds(at));
        insert(headers, &X_RESET, texts.freeze());
    }
}

/// How far the clocks of this process and of the counter may be apart, in milliseconds.
const APART: u64 = 10;

/// When a limit has room again: `reset` after `now`, at a whole second when it is next to one.
pub(crate) fn resets_at(now: Timestamp, reset: Duration) -> Timestamp {
    let at = now.saturating_add(reset).as_millis();
    let into_second = at % 1000;
    Timestamp::from_millis(if into_second <= APART {
        at - into_second
    } else if into_second >= 1000 - APART {
        at + 1000 - into_second
    } else {
        at
    })
}

/// Rounded up: who waits that long is not too early.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn put_number(text: &mut BytesMut, number: u64) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, text: Bytes) {
    // Names and numbers are visible ASCII, which always is a value.
    if let Ok(value) = HeaderValue::from_maybe_shared(text) {
        headers.insert(name.clone(), value);
    }
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
        let used = |remaining, reset| Use {
            remaining,
            reset: Duration::from_millis(reset),
        };
        let mut headers = HeaderMap::new();
        put(
            &mut headers,
            &policies,
            [used(199, 2_999_001), used(0, 11_600)].into_iter(),
            1,
            Timestamp::from_millis(1_000_500),
        );
        for (name, value) in [
            (
                &POLICY,
                "\"default-per-day\";q=200;w=86400, \"default-per-hour\";q=50;w=3600",
            ),
            (
                &STATE,
                "\"default-per-day\";r=199;t=3000, \"default-per-hour\";r=0;t=12",
            ),
            (&X_LIMIT, "50"),
            (&X_REMAINING, "0"),
            // It is at 1012.1 s.
            (&X_RESET, "1013"),
        ] {
            assert_eq!(headers.get(name).unwrap(), value, "{name}");
        }
    }
}
