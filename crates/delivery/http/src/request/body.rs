//! The body of a message: read within its limit, parsed, and all its mistakes found at once.

mod waiting;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{FutureExt, StreamExt};
use posthorn_http1::{BodyState, RequestTracker};

use crate::wire::problem::{ApiError, Code};
use waiting::Waiting;

/// The most that is set aside for a body before any of it is there.
const MAX_AHEAD: usize = 64 * 1024;

/// Reads the whole body, as long as it stays within `most` bytes. While it waits for the client the
/// request holds no place among those in flight.
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    most: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(Code::PayloadTooLarge);
    let announced = announced(request.headers());
    // What is announced as too large is refused before it is read.
    if announced.is_some_and(|announced| announced > most) {
        return Err(too_large());
    }
    let left = |body: &BytesMut| announced.map(|announced| announced.saturating_sub(body.len()));
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0).min(MAX_AHEAD));
    let requests = request.conn_data::<RequestTracker>();
    let demand = requests.map(|requests| requests.demand_body(left(&body).unwrap_or(0)));
    let mut waiting = None;
    // actix-http gives whatever follows for a body when the client offers another protocol.
    while left(&body) != Some(0) {
        let next = next_chunk(&mut payload, &mut waiting, request, body.len()).await?;
        let Some(chunk) = next else {
            break;
        };
        let mut chunk = chunk.map_err(|_| {
            if let Some(requests) = requests {
                requests.set_body_state(BodyState::Broken);
            }
            ApiError::new(Code::MalformedJson)
        })?;
        chunk.truncate(left(&body).unwrap_or(usize::MAX));
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        if let Some(waiting) = &mut waiting {
            waiting.grow(chunk.len())?;
        }
        body.extend_from_slice(&chunk);
        if let Some(demand) = &demand {
            demand.set_remaining(left(&body).unwrap_or(0));
        }
    }
    if let Some(requests) = requests {
        requests.set_body_state(BodyState::Complete);
    }
    waiting.map_or(Ok(()), Waiting::end)?;
    Ok(body.freeze())
}

/// What comes next of the body, of which `count` bytes are there.
async fn next_chunk(
    payload: &mut Payload,
    waiting: &mut Option<Waiting>,
    request: &HttpRequest,
    count: usize,
) -> Result<Option<Result<Bytes, PayloadError>>, ApiError> {
    if let Some(next) = payload.next().now_or_never() {
        return Ok(next);
    }
    if waiting.is_none() {
        *waiting = Some(Waiting::begin(request, count)?);
    }
    Ok(payload.next().await)
}

/// The length of the body, in bytes; `None` when it shows at its end.
fn announced(headers: &HeaderMap) -> Option<usize> {
    match headers.get(header::CONTENT_LENGTH) {
        Some(value) => value.to_str().ok()?.parse().ok(),
        None if headers.contains_key(header::TRANSFER_ENCODING) => None,
        None => Some(0),
    }
}

/// Whether the body is said to be JSON in UTF-8 (RFC 8259, 8.1 and 11).
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    let Ok(text) = value.to_str() else {
        return false;
    };
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
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
