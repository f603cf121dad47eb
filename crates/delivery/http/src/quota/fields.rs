//! The header fields about limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-
//! ratelimit-headers, revision 8 and later), and the older `X-RateLimit-*` of one limit.

use std::fmt::Write;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static STATE: HeaderName = HeaderName::from_static("ratelimit");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// One limit and its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Its name, of letters, digits and `-`.
    pub(crate) name: String,
    /// How many requests its window takes.
    pub(crate) quota: u32,
    /// The window's length in seconds.
    pub(crate) window: u32,
    /// How many requests fit now.
    pub(crate) remaining: u32,
    /// In how many seconds there is more room.
    pub(crate) reset: u64,
}

/// Writes the fields of all `policies`, and the older ones of the one at `tightest`, whose reset is
/// a time in seconds since the Unix epoch, as flask-limiter writes it; `now` is such a time.
pub(crate) fn put(headers: &mut HeaderMap, policies: &[Policy], tightest: usize, now: u64) {
    let (mut policy, mut state) = (String::new(), String::new());
    for (number, limit) in policies.iter().enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let Policy {
            name,
            quota,
            window,
            remaining,
            reset,
        } = limit;
        // Writing into a `String` cannot fail.
        let _ = write!(policy, "{comma}\"{name}\";q={quota};w={window}");
        let _ = write!(state, "{comma}\"{name}\";r={remaining};t={reset}");
    }
    let mut insert = |name: &HeaderName, value: String| {
        // Names and numbers are visible ASCII, which always is a value.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name.clone(), value);
        }
    };
    insert(&POLICY, policy);
    insert(&STATE, state);
    if let Some(tightest) = policies.get(tightest) {
        insert(&X_LIMIT, tightest.quota.to_string());
        insert(&X_REMAINING, tightest.remaining.to_string());
        insert(&X_RESET, now.saturating_add(tightest.reset).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lists_of_structured_strings_with_parameters() {
        let policy = |name: &str, quota, window, remaining, reset| Policy {
            name: name.to_owned(),
            quota,
            window,
            remaining,
            reset,
        };
        let policies = [
            policy("default-per-day", 200, 86_400, 199, 3_000),
            policy("default-per-hour", 50, 3600, 0, 12),
        ];
        let mut headers = HeaderMap::new();
        put(&mut headers, &policies, 1, 1_000);
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
            (&X_RESET, "1012"),
        ] {
            assert_eq!(headers.get(name).unwrap(), value, "{name}");
        }
    }
}
