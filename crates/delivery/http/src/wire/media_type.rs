//! The header `Content-Type` (RFC 9110, 8.3): the only parser of media types in requests.

use actix_web::mime::{self, Mime};

/// The media type in the value of a `Content-Type`; `None` if it is malformed.
///
/// White space around `;` and empty parameters are valid (RFC 9110, 5.6.6), but the crate `mime` rejects
/// them. White space around `=` and a parameter without one are tolerated.
pub(crate) fn parse(value: &[u8]) -> Option<Mime> {
    let text = str::from_utf8(value).ok()?;
    let mut parts = split(text);
    let mut plain = parts.next()?.to_owned();
    for parameter in parts {
        if let Some((name, value)) = parameter.split_once('=') {
            plain.extend([";", name.trim_ascii_end(), "=", value.trim_ascii_start()]);
        }
    }
    plain.parse().ok()
}

/// True if the text of a body with this type is UTF-8. Of a repeated parameter every value counts: another
/// receiver may take any of them.
pub(crate) fn is_in_utf_8(media_type: &Mime) -> bool {
    let mut parameters = media_type.params();
    parameters.all(|(name, value)| name != mime::CHARSET || is_utf_8(value.as_str()))
}

/// True if `label` is a label of UTF-8.
pub(crate) fn is_utf_8(label: &str) -> bool {
    ["utf-8", "utf8"]
        .iter()
        .any(|known| label.eq_ignore_ascii_case(known))
}

/// The parts between the semicolons that are outside quoted strings, without white space around them.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    // As in `mime`, a backslash escapes no quotation mark.
    let parts = text.split(move |character| {
        is_quoted ^= character == '"';
        character == ';' && !is_quoted
    });
    parts.map(str::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_semicolon_is_valid() {
        for (text, expected) in [
            ("text/plain", Some("text/plain")),
            (" text/plain ", Some("text/plain")),
            ("text/plain ; x=y", Some("text/plain;x=y")),
            ("text/plain\t;\tx=y \t", Some("text/plain;x=y")),
            ("text/plain;; x=y;", Some("text/plain;x=y")),
            ("text/plain; x = y; z", Some("text/plain;x=y")),
            ("a/b; x=\"y ; z=1\" ;v=w", Some("a/b;x=\"y ; z=1\";v=w")),
            ("text / plain", None),
            ("text", None),
            ("; x=y", None),
            ("", None),
        ] {
            let parsed = parse(text.as_bytes());
            assert_eq!(parsed.as_ref().map(Mime::as_ref), expected, "{text}");
        }
        assert_eq!(parse(b"text/pl\xffin"), None);
    }
}
