//! Who is calling, in one place: for quotas, the flood guard and logs.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest};
use posthorn_application::Caller;

use crate::request::context;

/// The subject of a request's token. Whoever checks the token's signature puts it into the
/// request's extensions, before the quotas decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject(pub(crate) Arc<str>);

/// The subject of the token that came with `request`, if one did and was checked.
pub(crate) fn authenticated_subject(request: &HttpRequest) -> Option<Subject> {
    request.extensions().get::<Subject>().cloned()
}

/// Who sends `request`; `subject` is its [`authenticated_subject`].
pub(crate) fn of<'a>(request: &HttpRequest, subject: Option<&'a Subject>) -> Caller<'a> {
    Caller {
        address: context::of(request).client,
        subject: subject.map(|subject| &*subject.0),
    }
}
