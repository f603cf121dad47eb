//! Finds the bare error responses that actix-http writes itself, and writes complete ones in their place.
//!
//! Gap: a malformed, large or late head never reaches a service or middleware, so its response has no body and no
//! header of the application (they came with actix-web issues 512 and 523; no public issue on replacing them found).
//! Red without it: `a_malformed_head_gets_the_response_of_the_application`.

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{Response, StatusCode};
use bytes::{Bytes, BytesMut};

use crate::header_lines::HeaderLines;

/// A bare response is no longer than this, in bytes: a status line and three short fields.
const MAX_LENGTH: usize = 160;

/// Returns the status of the bare error response that `written` is. actix-http writes it alone, as the request before
/// it has its response. A response of the application must have a field more than a bare one.
pub(crate) fn detect_default_error(written: &[u8]) -> Option<StatusCode> {
    // Almost every write is longer or ends with a body, so these two checks are all that it costs.
    if written.len() > MAX_LENGTH || !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(written).ok()?;
    let mut lines = head.strip_suffix("\r\n\r\n")?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let mut is_empty = false;
    for line in lines {
        match line.split_once(": ")? {
            ("content-length", "0") => is_empty = true,
            ("connection" | "date", _) => {}
            _ => return None,
        }
    }
    let is_error = status.is_client_error() || status.is_server_error();
    (is_empty && is_error).then_some(status)
}

/// Encodes the last response of a connection, whose head has `lines` as well, with or without its body.
pub(crate) fn encode(response: Response<BoxBody>, lines: &HeaderLines, with_body: bool) -> Bytes {
    let status = response.status();
    let mut bytes = BytesMut::from("HTTP/1.1 ");
    bytes.extend_from_slice(status.as_str().as_bytes());
    bytes.extend_from_slice(b" ");
    bytes.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        lines.push(name.as_str(), value.as_bytes());
    }
    // The contract of `ConnectionHooks` has the body in memory, so it is here whole.
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    let length = body.len().to_string();
    lines.push("content-length", length.as_bytes());
    lines.push("connection", b"close");
    bytes.extend_from_slice(&lines.clear());
    bytes.extend_from_slice(b"\r\n");
    if with_body {
        bytes.extend_from_slice(&body);
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
        date: Mon, 23 Nov 2026 17:33:23 GMT\r\n\r\n";

    #[track_caller]
    fn check(written: &str, expected: Option<u16>) {
        let found = detect_default_error(written.as_bytes());
        assert_eq!(found.map(|status| status.as_u16()), expected, "{written}");
    }

    #[test]
    fn a_bare_response_is_found_and_nothing_else_is() {
        check(BARE, Some(400));
        check(
            &BARE.replace("400 Bad Request", "408 Request Timeout"),
            Some(408),
        );
        check(
            &BARE.replace("400 Bad Request", "431 Request Header Fields Too Large"),
            Some(431),
        );
        check(&BARE.replace("connection: close\r\n", ""), Some(400));
        check(&BARE.replace("HTTP/1.1", "HTTP/1.0"), Some(400));
        check(&format!("{BARE}x"), None);
        check(&format!("x{BARE}"), None);
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
