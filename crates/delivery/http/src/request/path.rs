//! The path of a request and the values in it.

use actix_web::HttpRequest;
use posthorn_domain::{MessageId, Topic};

use crate::wire::problem::{ApiError, Code};

/// The path as the router sees it: unreserved characters that were percent-encoded, such as the `a`
/// in `/%61pi/ping`, are decoded. Every decision about a path must use this one.
pub(crate) fn routed_path(request: &HttpRequest) -> &str {
    request.match_info().as_str()
}

/// The topic of the path.
///
/// # Errors
/// `not-found`: no topic can have this name.
pub(crate) fn topic_of(request: &HttpRequest) -> Result<Topic, ApiError> {
    let name = request.match_info().query("topic");
    name.parse().map_err(|_| ApiError::new(Code::NotFound))
}

/// The message id of the path.
///
/// # Errors
/// `not-found`: no message can have this id.
pub(crate) fn id_of(request: &HttpRequest) -> Result<MessageId, ApiError> {
    let id = request.match_info().query("id");
    id.parse().map_err(|_| ApiError::new(Code::NotFound))
}
