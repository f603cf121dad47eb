//! Header lines that the application has as text already, for the head of its next response.
//!
//! Gap: actix-http hashes, stores, copies and drops each header of each response by itself. For a dozen headers that are
//! the same in every response, that costs more than to parse, store and log a small message. No public issue found. Red
//! without it: `header_lines_follow_the_status_line`.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;

/// The usual number of bytes of the status line and the lines.
const USUAL_BYTES: usize = 768;

/// What actix-http writes before the head of the response to a request that expects it.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The header lines of the next response of a connection. Every request has it as `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct HeaderLines(Rc<RefCell<BytesMut>>);

/// The start of a response with the lines in it: it replaces the first `replaced` bytes that actix-http writes.
#[derive(Debug)]
pub(crate) struct HeadStart {
    pub(crate) bytes: Bytes,
    pub(crate) replaced: usize,
}

impl HeaderLines {
    /// Adds complete lines, each with its CRLF. They must be valid, and no header of the response may have their names.
    pub fn push_lines(&self, lines: &[u8]) {
        self.append_with(|text| text.put_slice(lines));
    }

    /// As [`HeaderLines::push_lines`], for lines that `append` appends to the text that it is given.
    pub fn append_with(&self, append: impl FnOnce(&mut BytesMut)) {
        let mut text = self.0.borrow_mut();
        if text.is_empty() {
            text.reserve(USUAL_BYTES);
        }
        append(&mut text);
    }

    /// Adds a line. Name and value must be valid, and no header of the response may have the name.
    pub fn push(&self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.push_lines(part);
        }
    }

    /// Removes all lines, and returns them.
    pub(crate) fn clear(&self) -> BytesMut {
        self.0.take()
    }

    /// Takes the lines for the response that begins with `written`; `None` without lines or a whole status line.
    pub(crate) fn take(&self, written: &[u8]) -> Option<HeadStart> {
        if self.0.borrow().is_empty() {
            return None;
        }
        let interim = if written.starts_with(CONTINUE) {
            CONTINUE.len()
        } else {
            0
        };
        let line = memchr(b'\n', written.get(interim..)?)? + 1;
        let replaced = interim + line;
        let mut bytes = self.clear();
        // Without the interim response: a final one that comes at once says all (RFC 9110, section 10.1.1).
        bytes.put_slice(written.get(interim..replaced).unwrap_or_default());
        bytes.rotate_right(line);
        Some(HeadStart {
            bytes: bytes.freeze(),
            replaced,
        })
    }
}

/// The lines, as they will be written.
impl fmt::Display for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0.borrow()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: Option<&str>) {
        let lines = HeaderLines::default();
        assert!(lines.take(written.as_bytes()).is_none(), "{written}");
        lines.push("a", b"1");
        lines.push_lines(b"b: 2\r\nc: 3\r\n");
        let start = lines.take(written.as_bytes());
        let found = start.map(|start| {
            let rest = written.as_bytes().get(start.replaced..).unwrap_or_default();
            String::from_utf8([&start.bytes, rest].concat()).unwrap()
        });
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn lines_follow_the_status_line() {
        check(
            "HTTP/1.1 200 OK\r\nx: y\r\n\r\nbody",
            Some("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\nc: 3\r\nx: y\r\n\r\nbody"),
        );
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n",
            Some("HTTP/1.1 201 Created\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n"),
        );
        check("HTTP/1.1 100 Continue\r\n\r\n", None);
        check("HTTP/1.1 200 OK", None);
        check("", None);
    }
}
