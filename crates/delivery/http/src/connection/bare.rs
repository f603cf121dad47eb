//! The answers that the HTTP library gives by itself, to what is no request: a malformed head, one
//! that is too large, one that does not come in time. They have no body and none of our headers.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::HttpDate;
use actix_web::web::{Bytes, BytesMut};
use posthorn_application::Shed;

use crate::middleware::access_log;
use crate::state::State;
use crate::wire::problem::{ApiError, Code, FieldCode};

/// A bare answer is no longer than this: a status line, three short headers.
const MAX_LENGTH: usize = 160;

/// A bare answer at the end of what is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bare<'a> {
    /// What is written before it.
    pub(super) before: &'a [u8],
    status: StatusCode,
    date: &'a str,
}

/// The bare answer that `written` ends with, if it does. Every other answer has a request id.
pub(super) fn find(written: &[u8]) -> Option<Bare<'_>> {
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let window = written.len().saturating_sub(MAX_LENGTH);
    let start = written
        .get(window..)?
        .windows(b"HTTP/1.".len())
        .rposition(|part| part == b"HTTP/1.")?;
    let (before, head) = written.split_at_checked(window + start)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.strip_suffix("\r\n\r\n")?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let (mut date, mut is_empty) = (None, false);
    for line in lines {
        match line.split_once(": ")? {
            ("content-length", "0") => is_empty = true,
            ("connection", _) => {}
            ("date", value) => date = Some(value),
            _ => return None,
        }
    }
    let is_error = status.is_client_error() || status.is_server_error();
    (is_empty && is_error).then_some(Bare {
        before,
        status,
        date: date?,
    })
}

/// The answer to a head that does not come in time, where the library gives none.
pub(super) fn too_slow(state: &State, peer: Option<SocketAddr>) -> Bytes {
    let now = Duration::from_millis(state.services.clock.now().as_millis());
    let date = HttpDate::from(SystemTime::UNIX_EPOCH + now).to_string();
    let answer = Bare {
        before: &[],
        status: StatusCode::REQUEST_TIMEOUT,
        date: &date,
    };
    answer.replacement(state, peer)
}

impl Bare<'_> {
    /// The same answer as a problem document, counted and logged as every other one.
    pub(super) fn replacement(&self, state: &State, peer: Option<SocketAddr>) -> Bytes {
        let error = match self.status {
            StatusCode::BAD_REQUEST => ApiError::field("request", FieldCode::NotHttp),
            StatusCode::REQUEST_TIMEOUT => {
                state
                    .services
                    .request_metrics
                    .request_shed(Shed::HeaderTimeout);
                ApiError::new(Code::RequestTimeout)
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::head_too_large(),
            _ => ApiError::new(Code::Internal),
        };
        let response = access_log::refuse(&error, state, peer);
        let mut bytes = BytesMut::from("HTTP/1.1 ");
        let status = response.status();
        bytes.extend_from_slice(status.as_str().as_bytes());
        bytes.extend_from_slice(b" ");
        bytes.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        for (name, value) in response.headers() {
            header(&mut bytes, name.as_str(), value.as_bytes());
        }
        // A document is made in memory, so it is there whole.
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        header(
            &mut bytes,
            "content-length",
            body.len().to_string().as_bytes(),
        );
        header(&mut bytes, "connection", b"close");
        header(&mut bytes, "date", self.date.as_bytes());
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&body);
        bytes.freeze()
    }
}

fn header(bytes: &mut BytesMut, name: &str, value: &[u8]) {
    for part in [b"\r\n", name.as_bytes(), b": ", value] {
        bytes.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
        date: Mon, 23 Nov 2026 17:33:23 GMT\r\n\r\n";

    #[track_caller]
    fn check(written: &str, expected: Option<(&str, u16)>) {
        let found = find(written.as_bytes());
        let found = found.as_ref().map(|bare| {
            (
                std::str::from_utf8(bare.before).unwrap(),
                bare.status.as_u16(),
            )
        });
        assert_eq!(found, expected, "{written}");
    }

    #[test]
    fn a_bare_answer_is_found_at_the_end_and_nothing_else_is() {
        check(BARE, Some(("", 400)));
        check(
            &BARE.replace("400 Bad Request", "408 Request Timeout"),
            Some(("", 408)),
        );
        check(&BARE.replace("connection: close\r\n", ""), Some(("", 400)));
        check(&BARE.replace("HTTP/1.1", "HTTP/1.0"), Some(("", 400)));
        let body = "{\"pong\":true}".repeat(100);
        check(&format!("{body}{BARE}"), Some((&body, 400)));
        check(&format!("{BARE}x"), None);
        check("", None);
        check("\r\n\r\n", None);
        check(&BARE.replace("date", "x-request-id: 1\r\ndate"), None);
        check(&BARE.replace("length: 0", "length: 5"), None);
        check(&BARE.replace("400 Bad Request", "204 No Content"), None);
        check(&BARE.replace("400", "x"), None);
        check("HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\n\r\n", None);
        check(&format!("HTTP/1.1 {}", "x".repeat(MAX_LENGTH)), None);
    }
}
