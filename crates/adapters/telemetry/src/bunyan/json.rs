//! Appends the members of a line, without intermediate JSON values.

use std::fmt;
use std::io::Write;

use serde::Serialize;

/// Appends a key with the comma before it.
pub(super) fn append_key(line: &mut Vec<u8>, key: &str) {
    line.extend_from_slice(b",\"");
    // Field names are Rust identifiers: they need no escape.
    line.extend_from_slice(key.as_bytes());
    line.extend_from_slice(b"\":");
}

/// Appends a value as JSON.
pub(super) fn append_value(line: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing a plain value to memory does not fail.
    let _ = serde_json::to_writer(line, value);
}

/// Appends a text as JSON. Few need escapes, for which `serde_json` looks at each byte by itself.
pub(super) fn append_text(line: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        line.push(b'"');
        line.extend_from_slice(text.as_bytes());
        line.push(b'"');
    } else {
        append_value(line, text);
    }
}

/// Appends the text that `value` is formatted as.
pub(super) fn append_debug(line: &mut Vec<u8>, value: &dyn fmt::Debug) {
    line.push(b'"');
    let start = line.len();
    // A value whose formatting fails is written as far as it was formatted.
    let _ = write!(line, "{value:?}");
    if line.get(start..).is_some_and(is_plain) {
        line.push(b'"');
        return;
    }
    // The text is taken out and written again, with the quotation marks.
    let text = line.split_off(start);
    line.pop();
    append_value(line, &*String::from_utf8_lossy(&text));
}

/// True if a JSON string has these bytes as they are. It has no early end, so that the compiler can check many bytes
/// at once.
fn is_plain(text: &[u8]) -> bool {
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    !text
        .iter()
        .fold(false, |found, byte| found | needs_escape(*byte))
}
