//! The bodies that a route accepts, as a 415 lists them.

use actix_web::http::header::{self, HeaderName};

/// The bodies that a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptedBody {
    /// JSON, by POST.
    Json,
    /// JSON, by another method: `Accept-Post` is about POST alone.
    JsonByAnyMethod,
    /// A message in one of its media types.
    Message,
    /// A batch in one of its media types.
    Batch,
    /// Any of its media types without a content coding.
    Uncoded,
}

impl AcceptedBody {
    /// The header that lists them: `Accept-Post` (Linked Data Platform 1.0, 7.1), `Accept` (RFC 9110,
    /// 12.5.1) or `Accept-Encoding` (12.5.3).
    pub(super) const fn header(self) -> (HeaderName, &'static str) {
        let types = match self {
            Self::Json => "application/json",
            Self::Message => {
                "application/json, text/plain, application/x-www-form-urlencoded, \
                 multipart/form-data, application/cloudevents+json"
            }
            Self::Batch => {
                "application/json, application/x-ndjson, application/cloudevents-batch+json"
            }
            Self::JsonByAnyMethod => return (header::ACCEPT, "application/json"),
            Self::Uncoded => return (header::ACCEPT_ENCODING, "identity"),
        };
        (HeaderName::from_static("accept-post"), types)
    }
}
