//! Texts in JSON.

/// Appends `text` as the content of a JSON string. Few texts need escapes, for which `serde_json` looks at each byte by
/// itself.
pub(crate) fn push_escaped(json: &mut String, text: &str) {
    let needs_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Without an early end, so that the compiler can check many bytes at once.
    let is_plain = !text
        .bytes()
        .fold(false, |found, byte| found | needs_escape(byte));
    if is_plain {
        json.push_str(text);
        return;
    }
    // A text always serializes, to itself between quotation marks.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let content = quoted.get(1..quoted.len().saturating_sub(1));
    json.push_str(content.unwrap_or_default());
}
