//! The headers that every answer has.

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::request::context::RequestContext;
use crate::route::Kind;
use crate::settings::HttpSettings;

pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static X_XSS_PROTECTION: HeaderName = HeaderName::from_static("x-xss-protection");
static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

/// The unversioned paths are deprecated since this moment (RFC 9745): 2026-11-23T00:00:00Z.
const DEPRECATED_SINCE: HeaderValue = HeaderValue::from_static("@1795392000");
/// Nothing may be loaded by what is no page.
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Adds the headers of the contract; one that the handler set stays.
pub(super) fn add(
    mut response: ServiceResponse,
    context: &RequestContext,
    settings: &HttpSettings,
) -> ServiceResponse {
    let headers = response.headers_mut();
    add_common(headers, context, settings);
    if let Some(Kind::Legacy(successor)) = context.route.get().map(|route| route.kind) {
        headers.insert(DEPRECATION.clone(), DEPRECATED_SINCE);
        let link = format!("<{successor}>; rel=\"successor-version\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
    }
    response
}

/// Adds the headers that an answer has whatever was asked.
pub(super) fn add_common(
    headers: &mut HeaderMap,
    context: &RequestContext,
    settings: &HttpSettings,
) {
    if let Ok(id) = HeaderValue::from_str(&context.id) {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    let mut fixed = |name, value| headers.insert(name, value);
    fixed(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    fixed(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    fixed(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    fixed(X_XSS_PROTECTION.clone(), HeaderValue::from_static("0"));
    if settings.is_production {
        fixed(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, API_POLICY);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
