//! Bearer tokens in the header `Authorization` (RFC 6750, 2.1).

use actix_web::http::header::{self, HeaderMap};
use posthorn_application::Credentials;

/// The credentials of a request; two `Authorization` headers are malformed.
pub(crate) fn of(headers: &HeaderMap) -> Credentials<'_> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    match (values.next(), values.next()) {
        (None, _) => Credentials::None,
        (Some(value), None) => credentials(value.as_bytes()),
        (Some(_), Some(_)) => Credentials::Malformed,
    }
}

/// Parses the value of an `Authorization` header. Schemes other than `Bearer` are ignored: a proxy may
/// use them. Public for the fuzz target.
pub fn credentials(value: &[u8]) -> Credentials<'_> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let value = value.trim_ascii();
    let end = value.iter().position(is_space).unwrap_or(value.len());
    let (scheme, token) = value.split_at_checked(end).unwrap_or((value, b""));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credentials::None;
    }
    match std::str::from_utf8(token.trim_ascii()) {
        Ok(token) if is_token(token) => Credentials::Bearer(token),
        _ => Credentials::Malformed,
    }
}

/// True if `text` matches the grammar of `b64token`.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    let text = text.trim_end_matches('=');
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Run with any bytes; the fuzz target `authorization` does the same for longer.
        #[test]
        fn any_header_is_read(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            token in "[A-Za-z0-9._~+/=-]{1,200}",
        ) {
            if let Credentials::Bearer(token) = credentials(&bytes) {
                prop_assert!(is_token(token));
            }
            let header = ["bearer ", &token].concat();
            let expected = if is_token(&token) {
                Credentials::Bearer(&token)
            } else {
                Credentials::Malformed
            };
            prop_assert_eq!(credentials(header.as_bytes()), expected);
        }
    }

    #[test]
    fn a_token_follows_its_scheme() {
        for (value, expected) in [
            ("Bearer a.b-c_d~+/", Credentials::Bearer("a.b-c_d~+/")),
            ("bEARER   abc==", Credentials::Bearer("abc==")),
            (" Bearer\tabc ", Credentials::Bearer("abc")),
            ("Bearer", Credentials::Malformed),
            ("Bearer ", Credentials::Malformed),
            ("Bearer ==", Credentials::Malformed),
            ("Bearer a b", Credentials::Malformed),
            ("Bearer a=b", Credentials::Malformed),
            ("Bearer a,b", Credentials::Malformed),
            ("Bearer \u{43a}", Credentials::Malformed),
            ("Bearerabc", Credentials::None),
            ("Basic dXNlcjpwYXNz", Credentials::None),
            ("", Credentials::None),
        ] {
            assert_eq!(credentials(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(credentials(b"Bearer \xff\xfe"), Credentials::Malformed);
    }

    #[test]
    fn two_headers_contradict_each_other() {
        let mut headers = HeaderMap::new();
        assert_eq!(of(&headers), Credentials::None);
        for (value, expected) in [
            ("Bearer a", Credentials::Bearer("a")),
            ("Bearer a", Credentials::Malformed),
        ] {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(of(&headers), expected);
        }
    }
}
