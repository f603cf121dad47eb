//! The grant of a request, as authorization decided it.

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::Grant;

/// The request's grant; anonymous without a token.
pub(crate) fn of(request: &HttpRequest) -> Grant {
    let grant = request.extensions().get::<Grant>().cloned();
    grant.unwrap_or(Grant::ANONYMOUS)
}
