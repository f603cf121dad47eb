//! The response of every page: its HTML with the headers that pages share.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::settings::Locale;
use crate::wire::language::insert_language;
use crate::wire::problem::{ApiError, Code};

/// The policy of pages: style and script from this server, nothing from any other.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Renders `page`, which is in the language `locale`, as the response.
pub(crate) fn respond(page: &impl Template, locale: Locale) -> Result<HttpResponse, ApiError> {
    finish(HttpResponseBuilder::new(StatusCode::OK), page, locale)
}

/// Renders `page`, which is in the language `locale`, as the body of `response`.
pub(crate) fn finish(
    mut response: HttpResponseBuilder,
    page: &impl Template,
    locale: Locale,
) -> Result<HttpResponse, ApiError> {
    let html = page.render();
    let html = html.map_err(|error| ApiError::caused_by(Code::Internal, error.to_string()))?;
    insert_language(&mut response, locale);
    Ok(response
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .body(html))
}
