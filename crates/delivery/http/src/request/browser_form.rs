//! Forms that a browser submits: its user sees the response.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use url::{Position, Url};

use crate::request::{accept, context, path};
use crate::state::AppState;

/// A host that no server has (RFC 6761, 6.4).
const ELSEWHERE: &str = "elsewhere.invalid";

/// True if a browser submits a form with `request`: its response is to be a page.
pub(crate) fn is_submission(request: &HttpRequest) -> bool {
    request.method() == Method::POST
        && is_form(request.headers())
        && accept::names(request.headers(), "text/html")
        && is_form_path(path::routed_path(request))
}

/// True for the paths that take forms.
fn is_form_path(path: &str) -> bool {
    let topic = path.strip_prefix("/api/v1/topics/");
    topic.is_some_and(|rest| rest.ends_with("/messages"))
}

/// True for the media types in which browsers submit forms, whatever their parameters.
fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(essence) = value.and_then(|value| value.as_bytes().split(|byte| *byte == b';').next())
    else {
        return false;
    };
    let forms = ["application/x-www-form-urlencoded", "multipart/form-data"];
    let essence = essence.trim_ascii();
    forms
        .iter()
        .any(|form| essence.eq_ignore_ascii_case(form.as_bytes()))
}

/// The URL that a browser is sent to after success: `next`, as the URL standard parses it, if its origin
/// is configured or this server's own. It is as absolute as `next` is: with a public URL the browser may
/// have posted to another of the server's names.
pub(crate) fn redirect(request: &HttpRequest, state: &AppState, next: &str) -> Option<String> {
    let public_url = &state.settings.public_url;
    let own = if public_url.base().is_empty() {
        let scheme = if context::of(request).is_https {
            "https"
        } else {
            "http"
        };
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        format!("{scheme}://{host}{}", request.path())
    } else {
        public_url.link(request.path())
    };
    let own = Url::parse(&own).ok()?;
    let url = own.join(next).ok()?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || has_user {
        return None;
    }
    if state.settings.form_redirect_origins.contains(&url) {
        return Some(url.into());
    }
    if url.origin() != own.origin() {
        return None;
    }
    if names_host(&own, next) {
        return Some(url.into());
    }
    let path = &url[Position::BeforePath..];
    // A path that begins with two slashes would name another host.
    Some(if path.starts_with("//") {
        format!("/.{path}")
    } else {
        path.to_owned()
    })
}

/// True if `next` has a host of its own: it goes there from any host.
fn names_host(own: &Url, next: &str) -> bool {
    let mut elsewhere = own.clone();
    let is_moved = elsewhere.set_host(Some(ELSEWHERE)).is_ok();
    let url = elsewhere.join(next);
    !is_moved || !url.is_ok_and(|url| url.host_str() == Some(ELSEWHERE))
}
