//! The `instance` of a problem document: the path of the request as a reference to this server (RFC 3986, 4.2).

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The characters that a path of a URI does not have; the percent sign of what is encoded already stays.
const INVALID: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The reference to `path`. A path that begins with two slashes would name a host, so it gets the prefix `/.`, and a
/// target without a path, such as `*`, is the root.
pub(super) fn of(path: &str) -> String {
    let encoded = utf8_percent_encode(path, INVALID);
    if path.starts_with("//") {
        format!("/.{encoded}")
    } else if path.starts_with('/') {
        encoded.to_string()
    } else {
        "/".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_path_on_this_server() {
        for (path, expected) in [
            ("/api/v1/message", "/api/v1/message"),
            ("/a%20b/~x:@!$&'()*+,;=", "/a%20b/~x:@!$&'()*+,;="),
            ("//evil.example/x", "/.//evil.example/x"),
            ("/a\"<b>|я", "/a%22%3Cb%3E%7C%D1%8F"),
            ("*", "/"),
            ("", "/"),
        ] {
            assert_eq!(of(path), expected, "{path}");
        }
    }
}
