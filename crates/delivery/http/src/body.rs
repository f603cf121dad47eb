//! The body of a message: read within its limit, parsed, and all its mistakes found at once.

mod json;
mod message;
mod waiting;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{FutureExt, StreamExt};

pub(crate) use message::MessageBody;

use crate::connection::Turns;
use crate::problem::{ApiError, Code};
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
    // What is announced as too large is refused before it is read.
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > most {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced.min(MAX_AHEAD));
    let turns = request.conn_data::<Turns>();
    let wanting = turns.map(|turns| turns.want(announced));
    let mut waiting = None;
    loop {
        let ready = payload.next().now_or_never();
        let next = match ready {
            Some(next) => next,
            None => {
                if waiting.is_none() {
                    waiting = Some(Waiting::begin(request, body.len())?);
                }
                payload.next().await
            }
        };
        let Some(chunk) = next else {
            break;
        };
        // The connection broke or the framing is wrong: nobody will read the answer.
        let chunk = chunk.map_err(|_| ApiError::new(Code::MalformedJson))?;
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        if let Some(waiting) = &mut waiting {
            waiting.grow(chunk.len())?;
        }
        body.extend_from_slice(&chunk);
        if let Some(wanting) = &wanting {
            wanting.now(announced.saturating_sub(body.len()));
        }
    }
    waiting.map_or(Ok(()), Waiting::end)?;
    Ok(body.freeze())
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
