//! The caller of a request, for quotas: its address and the subject of its token.

use actix_web::HttpRequest;
use posthorn_application::{Caller, Grant};

use crate::request::context;

/// The caller of `request`; `grant` is the request's.
pub(crate) fn of<'a>(request: &HttpRequest, grant: &'a Grant) -> Caller<'a> {
    Caller {
        address: context::of(request).client,
        subject: grant.claims().map(|claims| claims.subject.as_str()),
    }
}
