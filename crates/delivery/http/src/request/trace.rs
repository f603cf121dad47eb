//! The trace of a request.
//!
//! Source: <https://www.w3.org/TR/trace-context/#traceparent-header>.

use actix_web::http::header::{HeaderMap, HeaderName};
use uuid::Uuid;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The length of a header of version 00; later versions may only add to it.
const LENGTH: usize = 55;

/// The trace of a request.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The trace's id, in 32 hexadecimal digits.
    pub(crate) id: String,
    /// The client's `traceparent`, if it is valid.
    pub(crate) parent: Option<String>,
}

impl Trace {
    /// The client's trace if there is exactly one valid `traceparent`, else a new trace.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(&TRACEPARENT);
        let parent = given.next().and_then(|value| value.to_str().ok());
        if let (Some(parent), None) = (parent, given.next())
            && let Some(id) = trace_id(parent)
        {
            return Self {
                id: id.to_owned(),
                parent: Some(parent.to_owned()),
            };
        }
        Self::new()
    }

    /// A new trace.
    pub(crate) fn new() -> Self {
        // All bits are random: samplers use the id as a random number.
        let id = Uuid::from_u128(rand::random()).simple().to_string();
        Self { id, parent: None }
    }
}

/// The trace id in a valid `traceparent`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let (known, more) = traceparent.split_at_checked(LENGTH)?;
    let mut fields = known.split('-');
    let mut next = |length| fields.next().filter(|field| is_hexadecimal(field, length));
    let (version, trace, parent, _flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let is_zero = |field: &str| field.bytes().all(|digit| digit == b'0');
    let has_extension = version != "00" && more.starts_with('-');
    let is_valid = version != "ff" && !is_zero(trace) && !is_zero(parent);
    (is_valid && (more.is_empty() || has_extension)).then_some(trace)
}

fn is_hexadecimal(field: &str, length: usize) -> bool {
    field.len() == length
        && field
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[track_caller]
    fn check(traceparents: &[&str], kept: bool) {
        let mut headers = HeaderMap::new();
        for given in traceparents {
            headers.append(TRACEPARENT.clone(), HeaderValue::from_str(given).unwrap());
        }
        let trace = Trace::of(&headers);
        assert_eq!(trace.id == ID, kept, "{traceparents:?}: {trace:?}");
        assert_eq!(trace.parent.is_some(), kept, "{traceparents:?}: {trace:?}");
        assert!(is_hexadecimal(&trace.id, 32), "{trace:?}");
    }

    #[test]
    fn a_valid_trace_is_kept() {
        check(&[&format!("00-{ID}-b7ad6b7169203331-01")], true);
        check(&[&format!("00-{ID}-b7ad6b7169203331-00")], true);
        // Fields of later versions are ignored.
        check(&[&format!("cc-{ID}-b7ad6b7169203331-01")], true);
        check(&[&format!("cc-{ID}-b7ad6b7169203331-01-what")], true);
    }

    #[test]
    fn an_invalid_traceparent_starts_a_new_trace() {
        let upper = ID.to_uppercase();
        for given in [
            "",
            "00",
            &format!("00-{ID}-b7ad6b7169203331"),
            &format!("00-{ID}-b7ad6b7169203331-1"),
            &format!("00-{ID}-b7ad6b7169203331-01-what"),
            &format!("cc-{ID}-b7ad6b7169203331-01.what"),
            &format!("ff-{ID}-b7ad6b7169203331-01"),
            &format!("00-{upper}-b7ad6b7169203331-01"),
            &format!("00-{ID}-B7AD6B7169203331-01"),
            &format!("00-{ID}-0000000000000000-01"),
            &format!("00_{ID}-b7ad6b7169203331-01"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            check(&[given], false);
        }
        let twice = format!("00-{ID}-b7ad6b7169203331-01");
        check(&[&twice, &twice], false);
        check(&[], false);
    }

    #[test]
    fn a_new_trace_has_an_id_of_its_own() {
        assert_ne!(Trace::new().id, Trace::new().id);
    }
}
