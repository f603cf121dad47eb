//! The headers of every response.

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue, TryIntoHeaderValue};
use posthorn_http1::HeaderLines;

use crate::request::context::RequestContext;
use crate::route::Kind;
use crate::settings::HttpSettings;

static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
static SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The time since which the unversioned paths are deprecated (RFC 9745): 2026-11-23T00:00:00Z.
const DEPRECATED_SINCE: HeaderValue = HeaderValue::from_static("@1795392000");
/// The lines of every response.
const COMMON: &[u8] = b"x-content-type-options: nosniff\r\n\
    x-frame-options: DENY\r\n\
    referrer-policy: no-referrer\r\n\
    x-xss-protection: 0\r\n\
    cross-origin-resource-policy: same-origin\r\n";
/// The policy of responses that are not pages: load nothing.
const API_POLICY: &[u8] =
    b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n";
const NO_STORE: &[u8] = b"cache-control: no-store\r\n";
const HSTS: &[u8] = b"strict-transport-security: max-age=31536000; includeSubDomains\r\n";

/// Adds the headers of every response; headers that the handler has set stay.
pub(super) fn insert(
    mut response: ServiceResponse,
    lines: &HeaderLines,
    context: &RequestContext,
    settings: &HttpSettings,
) -> ServiceResponse {
    let headers = response.headers_mut();
    push_common(lines, headers, context, settings);
    if let Some(Kind::Legacy(successor)) = context.route.get().map(|route| route.kind) {
        headers.insert(DEPRECATION.clone(), DEPRECATED_SINCE);
        let base = settings.public_url.base();
        // The page documents the deprecation (RFC 9745, 3.1): the API with the successors.
        let link = format!(
            "<{base}{successor}>; rel=\"successor-version\", <{base}/docs/>; rel=\"deprecation\"; type=\"text/html\""
        );
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
        if let Some(sunset) = &settings.legacy_sunset
            && let Ok(date) = sunset.http_date().try_into_value()
        {
            headers.insert(SUNSET.clone(), date);
        }
    }
    response
}

/// Adds the headers that do not depend on the route as lines; `headers` are those that the response has already.
pub(super) fn push_common(
    lines: &HeaderLines,
    headers: &HeaderMap,
    context: &RequestContext,
    settings: &HttpSettings,
) {
    lines.push_lines(COMMON);
    // The characters of an id are those of a header.
    lines.push("x-request-id", context.id.as_bytes());
    if settings.is_production && context.is_https {
        lines.push_lines(HSTS);
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        lines.push_lines(API_POLICY);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        lines.push_lines(NO_STORE);
    }
}
