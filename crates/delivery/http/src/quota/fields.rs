//! The header fields about limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-
//! ratelimit-headers, revision 8 and later), and the older `X-RateLimit-*` of one limit.

use std::fmt::Write;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static STATE: HeaderName = HeaderName::from_static("ratelimit");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

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
    list: Vec<Policy>,
    field: Option<HeaderValue>,
}

/// The use of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// How many requests fit now.
    pub(crate) remaining: u32,
    /// In how many seconds there is more room.
    pub(crate) reset: u64,
}

impl Policies {
    pub(crate) fn new(list: Vec<Policy>) -> Self {
        let mut field = String::new();
        for (
            number,
            Policy {
                name,
                quota,
                window,
            },
        ) in list.iter().enumerate()
        {
            let comma = if number == 0 { "" } else { ", " };
            // Writing into a `String` cannot fail.
            let _ = write!(field, "{comma}\"{name}\";q={quota};w={window}");
        }
        // Names and numbers are visible ASCII, which always is a value.
        let field = HeaderValue::try_from(field).ok();
        Self { list, field }
    }
}

/// Writes the fields of all `policies` with the `uses` of each, and the older ones of the one at
/// `tightest`, whose reset is a time in seconds since the Unix epoch, as flask-limiter writes it;
/// `now` is such a time.
pub(crate) fn put(
    headers: &mut HeaderMap,
    policies: &Policies,
    uses: &[Use],
    tightest: usize,
    now: u64,
) {
    let mut state = String::with_capacity(96);
    for (number, (policy, used)) in policies.list.iter().zip(uses).enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let (name, Use { remaining, reset }) = (&policy.name, used);
        let _ = write!(state, "{comma}\"{name}\";r={remaining};t={reset}");
    }
    if let Some(field) = &policies.field {
        headers.insert(POLICY.clone(), field.clone());
    }
    if let Ok(state) = HeaderValue::try_from(state) {
        headers.insert(STATE.clone(), state);
    }
    if let (Some(policy), Some(used)) = (policies.list.get(tightest), uses.get(tightest)) {
        headers.insert(X_LIMIT.clone(), policy.quota.into());
        headers.insert(X_REMAINING.clone(), used.remaining.into());
        headers.insert(X_RESET.clone(), now.saturating_add(used.reset).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lists_of_structured_strings_with_parameters() {
        let policy = |name: &str, quota, window| Policy {
            name: name.to_owned(),
            quota,
            window,
        };
        let policies = Policies::new(vec![
            policy("default-per-day", 200, 86_400),
            policy("default-per-hour", 50, 3600),
        ]);
        let used = |remaining, reset| Use { remaining, reset };
        let mut headers = HeaderMap::new();
        put(
            &mut headers,
            &policies,
            &[used(199, 3_000), used(0, 12)],
            1,
            1_000,
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
            (&X_RESET, "1012"),
        ] {
            assert_eq!(headers.get(name).unwrap(), value, "{name}");
        }
    }
}
