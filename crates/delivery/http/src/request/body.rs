//! Reading a request body, up to a size limit.

mod chunks;
mod incomplete;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Payload};
use futures_util::{FutureExt, StreamExt};
use posthorn_http1::{BodyDemand, BodyState, RequestTracker};

use self::chunks::Chunks;
use self::incomplete::IncompleteBody;
use crate::request::context;
use crate::state::AppState;
use crate::wire::fields::Fields;
use crate::wire::media_type;
use crate::wire::problem::{AcceptedBody, ApiError, Code};

/// Reads the whole body of at most `max` bytes; chunk extensions, trailers and padding count as bytes of it. While the
/// request waits for its client it is not in flight.
///
/// # Errors
/// `payload-too-large`, before the body is read if its length says so; `malformed-json` if the body
/// has no end; `overloaded` if incomplete bodies use up their memory, or the server is full when the
/// body is complete.
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    max: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(Code::PayloadTooLarge);
    let length = length(request.headers());
    if length.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let remaining = |body: &Chunks| length.map(|length| length.saturating_sub(body.len()));
    let mut body = Chunks::default();
    let requests = request.conn_data::<RequestTracker>();
    let demand = requests.map(|requests| requests.demand_body(remaining(&body).unwrap_or(0)));
    let mut incomplete = None;
    let context = context::of(request);
    // The length decides where the body ends: after an offer of another protocol actix-http gives all
    // bytes that follow.
    while remaining(&body) != Some(0) {
        let left = max.saturating_sub(body.len());
        let next = tokio::select! {
            biased;
            next = next_chunk(&mut payload, &mut incomplete, request, body.len()) => next?,
            // A chunk whose size has no end is no data, so the payload waits for it without a limit.
            () = padding_over(demand.as_ref(), left) => return Err(too_large()),
        };
        let Some(chunk) = next else {
            break;
        };
        let mut chunk = chunk.map_err(|_| {
            if let Some(requests) = requests {
                requests.set_body_state(BodyState::Broken);
            }
            ApiError::new(Code::MalformedJson)
        })?;
        chunk.truncate(remaining(&body).unwrap_or(usize::MAX));
        if body.len() + chunk.len() + padding(demand.as_ref()) > max {
            return Err(too_large());
        }
        if let Some(incomplete) = &mut incomplete {
            incomplete.grow(chunk.len())?;
        }
        body.push(chunk);
        context.bytes_in.set(body.len());
        if let Some(demand) = &demand {
            demand.set_remaining(remaining(&body).unwrap_or(0));
        }
    }
    if let Some(requests) = requests {
        requests.set_body_state(BodyState::Complete);
    }
    if body.len() + padding(demand.as_ref()) > max {
        return Err(too_large());
    }
    incomplete
        .as_mut()
        .map_or(Ok(()), IncompleteBody::complete)?;
    Ok(body.join())
}

/// As [`read`], for a JSON body that may be absent.
///
/// # Errors
/// As [`read`] and [`require_json`].
async fn read_json(request: &HttpRequest, payload: Payload, max: usize) -> Result<Bytes, ApiError> {
    if length(request.headers()) != Some(0) {
        require_json(request)?;
    }
    read(request, payload, max).await
}

/// As [`read_json`], up to the configured size; `parse` makes the domain's values of the body.
///
/// # Errors
/// As [`read_json`], and those of `parse`.
pub(crate) async fn parse_json<T>(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
    parse: impl FnOnce(&[u8]) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let bytes = read_json(request, payload, state.settings.max_body_bytes).await?;
    parse(&bytes)
}

/// As [`parse_json`], for a call without fields.
///
/// # Errors
/// As [`parse_json`]; `validation-failed` for a body other than an empty object.
pub(crate) async fn require_no_fields(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
) -> Result<(), ApiError> {
    let parse = |bytes: &[u8]| Fields::parse(bytes, &[])?.finish();
    parse_json(request, payload, state, parse).await
}

/// The bytes of the body so far that are only framing, beyond the least that its data needs.
fn padding(demand: Option<&BodyDemand>) -> usize {
    demand.map_or(0, BodyDemand::padding)
}

/// Waits until the padding exceeds `max` bytes.
async fn padding_over(demand: Option<&BodyDemand>, max: usize) {
    match demand {
        Some(demand) => demand.padding_over(max).await,
        None => std::future::pending().await,
    }
}

/// The next chunk of a body with `count` bytes so far.
async fn next_chunk(
    payload: &mut Payload,
    incomplete: &mut Option<IncompleteBody>,
    request: &HttpRequest,
    count: usize,
) -> Result<Option<Result<Bytes, PayloadError>>, ApiError> {
    // Most bodies arrive with their head: those keep their permit.
    let requests = request.conn_data::<RequestTracker>();
    if requests.is_some_and(RequestTracker::is_whole) {
        return Ok(payload.next().await);
    }
    if let Some(next) = payload.next().now_or_never() {
        return Ok(next);
    }
    if incomplete.is_none() {
        *incomplete = Some(IncompleteBody::start(request, count)?);
    }
    Ok(payload.next().await)
}

/// The length of the body in bytes; `None` if only its end shows it.
fn length(headers: &HeaderMap) -> Option<usize> {
    match headers.get(header::CONTENT_LENGTH) {
        Some(value) => value.to_str().ok()?.parse().ok(),
        None if headers.contains_key(header::TRANSFER_ENCODING) => None,
        None => Some(0),
    }
}

/// Requires JSON without a content coding.
///
/// # Errors
/// `unsupported-media-type`.
pub(crate) fn require_json(request: &HttpRequest) -> Result<(), ApiError> {
    let headers = request.headers();
    require_uncoded(headers)?;
    if is_json(headers) {
        Ok(())
    } else if *request.method() == Method::POST {
        Err(ApiError::unsupported_media_type(AcceptedBody::Json))
    } else {
        Err(ApiError::json_required())
    }
}

/// Requires a body without a content coding (RFC 9110, 8.4): a compressed body is not read.
///
/// # Errors
/// `unsupported-media-type`.
pub(crate) fn require_uncoded(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_identity = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    let mut lines = headers.get_all(header::CONTENT_ENCODING);
    if lines.all(|line| line.as_bytes().split(|byte| *byte == b',').all(is_identity)) {
        Ok(())
    } else {
        Err(ApiError::unsupported_encoding())
    }
}

/// True if `Content-Type` is what most clients send for JSON, which needs no parsing.
pub(crate) fn is_plain_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    value.is_some_and(|value| value == "application/json")
}

/// True if `Content-Type` is JSON in UTF-8 (RFC 8259, 8.1 and 11).
fn is_json(headers: &HeaderMap) -> bool {
    if is_plain_json(headers) {
        return true;
    }
    let value = headers.get(header::CONTENT_TYPE);
    let media_type = value.and_then(|value| media_type::parse(value.as_bytes()));
    media_type.is_some_and(|media_type| {
        media_type.essence_str() == "application/json" && media_type::is_in_utf_8(&media_type)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json; charset=\"utf-8\"; x=y", true),
            ("application/json ; charset=UTF-8;", true),
            ("application/json; charset = utf-8; x", true),
            ("application/json; charset=latin1", false),
            ("text/json", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            assert_eq!(is_json(&headers), expected, "{text}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
