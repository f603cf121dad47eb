//! The headers of every response.

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue, TryIntoHeaderValue};

use crate::request::context::RequestContext;
use crate::request::request_id::X_REQUEST_ID;
use crate::route::Kind;
use crate::settings::HttpSettings;

static X_XSS_PROTECTION: HeaderName = HeaderName::from_static("x-xss-protection");
static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
static SUNSET: HeaderName = HeaderName::from_static("sunset");
static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The time since which the unversioned paths are deprecated (RFC 9745): 2026-11-23T00:00:00Z.
const DEPRECATED_SINCE: HeaderValue = HeaderValue::from_static("@1795392000");
/// The policy of responses that are not pages: load nothing.
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Inserts the headers of every response; headers that the handler has set stay.
pub(super) fn insert(
    mut response: ServiceResponse,
    context: &RequestContext,
    settings: &HttpSettings,
) -> ServiceResponse {
    let headers = response.headers_mut();
    insert_common(headers, context, settings);
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

/// Inserts the headers that do not depend on the route.
pub(super) fn insert_common(
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
    fixed(
        CROSS_ORIGIN_RESOURCE_POLICY.clone(),
        HeaderValue::from_static("same-origin"),
    );
    if settings.is_production && context.is_https {
        fixed(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, API_POLICY);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
