//! Which other origins' pages may call the API.

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;

use crate::settings::CorsOrigins;

/// What pages of other origins may do.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
/// What they may say.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Type, Authorization, Idempotency-Key, Last-Event-ID, X-Request-ID",
);
/// For how many seconds browsers need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The middleware that answers browsers; used unless it is [`CorsOrigins::None`].
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
        header::RETRY_AFTER,
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
    ])
    // An unknown origin gets its answer without the headers; its browser then hides it.
    .block_on_origin_mismatch(false)
    // `OPTIONS` is answered by the routes, as always: see `preflight`.
    .disable_preflight()
}

/// Adds to the answer of `OPTIONS` what a browser asks for before it sends a request of a page of
/// another origin; goes around [`CorsOrigins::middleware`], which says whether that origin may.
pub(crate) async fn preflight(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let asks = *request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.call(request).await?;
    let is_answered = asks && response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if is_answered && headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    Ok(response)
}
