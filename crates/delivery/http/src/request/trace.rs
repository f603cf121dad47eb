//! The trace of a request.

use actix_web::http::header::{HeaderMap, HeaderName};
use posthorn_domain::TraceParent;
use uuid::Uuid;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// An id in `N` hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HexId<const N: usize>([u8; N]);

/// The trace of a request.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) id: HexId<32>,
    /// The id of the request's span.
    pub(crate) span_id: HexId<16>,
    /// The client's `traceparent`, if it is valid.
    pub(crate) parent: Option<TraceParent>,
}

impl<const N: usize> HexId<N> {
    /// A random id: samplers use the id of a trace as a random number.
    fn random() -> Self {
        let mut digits = [0; 32];
        let id = Uuid::from_u128(rand::random()).simple();
        Self::parse(id.encode_lower(&mut digits)).unwrap_or(Self([b'0'; N]))
    }

    /// The id in the first digits of `text`.
    fn parse(text: &str) -> Option<Self> {
        Some(Self(*text.as_bytes().first_chunk()?))
    }

    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Trace {
    /// The client's trace if there is exactly one valid `traceparent`, else a new trace.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(&TRACEPARENT);
        let parent = given.next().and_then(|value| value.to_str().ok());
        if let (Some(parent), None) = (parent, given.next())
            && let Ok(parent) = TraceParent::parse(parent)
            && let Some(id) = HexId::parse(parent.trace_id())
        {
            return Self {
                id,
                span_id: HexId::random(),
                parent: Some(parent),
            };
        }
        Self::new()
    }

    /// A new trace.
    pub(crate) fn new() -> Self {
        Self {
            id: HexId::random(),
            span_id: HexId::random(),
            parent: None,
        }
    }
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
        assert_eq!(trace.id.as_str() == ID, kept, "{traceparents:?}: {trace:?}");
        assert_eq!(trace.parent.is_some(), kept, "{traceparents:?}: {trace:?}");
        assert_eq!(trace.id.as_str().len(), 32, "{trace:?}");
        assert_eq!(trace.span_id.as_str().len(), 16, "{trace:?}");
    }

    #[test]
    fn exactly_one_valid_traceparent_is_kept() {
        let valid = format!("00-{ID}-b7ad6b7169203331-01");
        check(&[&valid], true);
        check(&[], false);
        check(&[""], false);
        check(&["00"], false);
        check(&[&valid, &valid], false);
        check(&["00", &valid], false);
    }

    #[test]
    fn a_new_trace_has_ids_of_its_own() {
        let (one, other) = (Trace::new(), Trace::new());
        assert_ne!(one.id, other.id);
        assert_ne!(one.span_id, other.span_id);
    }
}
