//! The caller of a request, for quotas: its address and the subject of its token.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::Caller;

use crate::request::context;

/// The subject of a verified token. Authorization puts it into the request's extensions, before the
/// quotas are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject(pub(crate) Arc<str>);

/// The subject of the request's token; `None` without a verified token.
pub(crate) fn authenticated_subject(request: &HttpRequest) -> Option<Subject> {
    request.extensions().get::<Subject>().cloned()
}

/// The caller of `request`; `subject` is its [`authenticated_subject`].
pub(crate) fn of<'a>(request: &HttpRequest, subject: Option<&'a Subject>) -> Caller<'a> {
    Caller {
        address: context::of(request).client,
        subject: subject.map(|subject| &*subject.0),
    }
}
