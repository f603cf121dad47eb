//! Forms that a browser submits: its user sees the response.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use url::{Position, Url};

use crate::request::{accept, path};
use crate::state::AppState;

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

/// True for the media types in which browsers submit forms.
fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    ["application/x-www-form-urlencoded", "multipart/form-data"]
        .iter()
        .any(|form| essence.eq_ignore_ascii_case(form))
}

/// The URL that a browser is sent to after success: `next`, as the URL standard parses it, if its origin
/// is configured or this server's own. An own URL is without scheme and host, because a proxy may hide
/// the real ones.
pub(crate) fn redirect(request: &HttpRequest, state: &AppState, next: &str) -> Option<String> {
    let public_url = &state.settings.public_url;
    let own = if public_url.base().is_empty() {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        format!("http://{host}{}", request.path())
    } else {
        public_url.link(request.path())
    };
    let own = Url::parse(&own).ok()?;
    let url = own.join(next).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
        return None;
    }
    if state.settings.form_redirect_origins.contains(&url) {
        return Some(url.into());
    }
    let is_own = url.host() == own.host() && url.port() == own.port();
    is_own.then(|| {
        let path = &url[Position::BeforePath..];
        // A path that begins with two slashes would name another host.
        if path.starts_with("//") {
            format!("/.{path}")
        } else {
            path.to_owned()
        }
    })
}
