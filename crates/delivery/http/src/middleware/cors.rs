//! CORS: the headers that let pages of other origins call the API.
//!
//! actix-cors adds the headers of every response, but not those of a preflight
//! (`docs/decisions/0013-own-preflight-response.md`).

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;

use crate::settings::CorsOrigins;
use crate::wire::receipt::IDEMPOTENCY_REPLAYED;

/// `Access-Control-Allow-Methods`.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS");
/// `Access-Control-Allow-Headers`.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Type, Authorization, Idempotency-Key, Last-Event-ID, X-Request-ID, If-Match, If-None-Match, traceparent",
);
/// `Access-Control-Max-Age`, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The middleware for the configured origins.
pub(crate) fn middleware(origins: &CorsOrigins) -> Cors {
    let cors = match origins {
        CorsOrigins::None => Cors::default(),
        CorsOrigins::Any => Cors::default().allow_any_origin().send_wildcard(),
        CorsOrigins::List(origins) => origins
            .iter()
            .fold(Cors::default(), |cors, origin| cors.allowed_origin(origin)),
    };
    cors.expose_headers([
        HeaderName::from_static("x-request-id"),
        header::LOCATION,
        header::LINK,
        header::ETAG,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        IDEMPOTENCY_REPLAYED.clone(),
        HeaderName::from_static("deprecation"),
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ])
    // A request of an unknown origin is handled without the headers: its browser hides the response.
    .block_on_origin_mismatch(false)
    .disable_preflight()
}

/// Adds the preflight headers to the response of `OPTIONS`, if [`middleware`] has allowed the origin;
/// wraps it for that reason.
pub(crate) async fn preflight(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_preflight = *request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.call(request).await?;
    let is_success = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let is_allowed = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    if is_preflight && is_success && is_allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    Ok(response)
}
