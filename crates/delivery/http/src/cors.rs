//! Which other origins' pages may call the API.

use std::str::FromStr;

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::uri::Uri;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;

/// What pages of other origins may do.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");
/// What they may say.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Type, Authorization, Idempotency-Key, Last-Event-ID, X-Request-ID",
);
/// For how many seconds browsers need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The configured origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None: pages of other origins cannot read answers.
    #[default]
    None,
    /// Every origin; never with credentials.
    Any,
    /// These origins.
    List(Vec<String>),
}

/// A text is not an origin (RFC 6454, 6.2) or `*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: a scheme, a host and perhaps a port, such as https://app.example")]
pub struct CorsOriginsError(String);

impl CorsOrigins {
    /// Reads a comma list of origins, or `*`; nothing is none.
    pub fn parse(text: &str) -> Result<Self, CorsOriginsError> {
        let items: Vec<_> = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect();
        if items.is_empty() {
            return Ok(Self::None);
        }
        if items.contains(&"*") {
            return Ok(Self::Any);
        }
        items
            .into_iter()
            .map(origin)
            .collect::<Result<_, _>>()
            .map(Self::List)
    }

    /// The middleware that answers browsers; used unless it is [`CorsOrigins::None`].
    pub(crate) fn middleware(&self) -> Cors {
        let cors = match self {
            Self::None => Cors::default(),
            Self::Any => Cors::default().allow_any_origin().send_wildcard(),
            Self::List(origins) => origins
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

/// The origin as browsers send it: no path, no slash at its end.
fn origin(text: &str) -> Result<String, CorsOriginsError> {
    let refused = || CorsOriginsError(text.to_owned());
    let uri = Uri::from_str(text).map_err(|_| refused())?;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"));
    let authority = uri
        .authority()
        .filter(|authority| !authority.as_str().contains('@'));
    match (scheme, authority) {
        (Some(scheme), Some(authority)) if format!("{scheme}://{authority}") == text => {
            Ok(text.to_owned())
        }
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<CorsOrigins>) {
        assert_eq!(CorsOrigins::parse(text).ok(), expected, "{text}");
    }

    #[test]
    fn a_list_holds_origins_and_nothing_else() {
        let list = |origins: &[&str]| {
            Some(CorsOrigins::List(
                origins.iter().map(|origin| (*origin).to_owned()).collect(),
            ))
        };
        check("", Some(CorsOrigins::None));
        check(" , ", Some(CorsOrigins::None));
        check("*", Some(CorsOrigins::Any));
        check(
            "https://a.example, http://b:81",
            list(&["https://a.example", "http://b:81"]),
        );
        check("https://a.example/", None);
        check("https://a.example/path", None);
        check("a.example", None);
        check("ftp://a.example", None);
        check("https://user@a.example", None);
    }
}
