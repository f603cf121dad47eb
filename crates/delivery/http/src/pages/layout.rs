//! The response of every page: its HTML with the headers that pages share.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use askama::Template;

use crate::wire::problem::{ApiError, Code};

/// The policy of pages: style and script from this server, nothing from any other.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Renders `page` as the response.
pub(super) fn respond(page: &impl Template) -> Result<HttpResponse, ApiError> {
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        ApiError::new(Code::Internal)
    })?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((header::VARY, "Accept-Language"))
        .body(html))
}
