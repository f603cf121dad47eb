//! The header fields that a webhook's requests carry beside those of Posthorn.

use std::fmt;

use zeroize::Zeroizing;

/// Up to 16 header fields, each name once. The values may be credentials: `Debug` hides them, and
/// their memory is erased when they are dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebhookHeaders(Vec<(String, Zeroizing<String>)>);

/// Why header fields are not those of a webhook. The texts hold no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookHeadersError {
    /// More than [`WebhookHeaders::MAX`].
    #[error("at most {} headers", WebhookHeaders::MAX)]
    Number,
    /// No field name of RFC 9110 (5.1), or more than [`WebhookHeaders::MAX_NAME_LENGTH`] characters.
    #[error("`{0}` is no header name of at most {max} characters", max = WebhookHeaders::MAX_NAME_LENGTH)]
    Name(String),
    /// A name that Posthorn or the connection owns.
    #[error("the header `{0}` cannot be set")]
    Forbidden(String),
    /// The name is there twice; case does not count.
    #[error("the header `{0}` is there twice")]
    Repeated(String),
    /// No field value of RFC 9110 (5.5) in ASCII, or more than
    /// [`WebhookHeaders::MAX_VALUE_LENGTH`] characters.
    #[error(
        "the value of the header `{0}` has at most {max} visible ASCII characters, with spaces and \
         tabs between them only",
        max = WebhookHeaders::MAX_VALUE_LENGTH
    )]
    Value(String),
}

/// The names that belong to one connection (RFC 9110, 7.6.1), and the target of the request.
const FORBIDDEN: [&str; 10] = [
    "connection",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The beginnings of the names that Posthorn sets.
const FORBIDDEN_PREFIXES: [&str; 3] = ["content-", "webhook-", "ce-"];

impl WebhookHeaders {
    /// The most header fields.
    pub const MAX: usize = 16;
    /// The most characters of a name.
    pub const MAX_NAME_LENGTH: usize = 128;
    /// The most characters of a value.
    pub const MAX_VALUE_LENGTH: usize = 4_096;

    /// The header fields of these names and values, sorted by name. Names become lower case.
    ///
    /// # Errors
    /// Every mistake, in the order of the fields.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Vec<WebhookHeadersError>> {
        let mut headers: Vec<(String, Zeroizing<String>)> = Vec::new();
        let mut errors = Vec::new();
        for (name, value) in fields {
            let (name, value) = (name.as_ref().to_ascii_lowercase(), value.as_ref());
            if let Err(error) = check_name(&name) {
                errors.push(error);
            } else if headers.iter().any(|(other, _)| *other == name) {
                errors.push(WebhookHeadersError::Repeated(name));
            } else if !is_value(value) {
                errors.push(WebhookHeadersError::Value(name));
            } else {
                headers.push((name, Zeroizing::new(value.to_owned())));
            }
        }
        if headers.len() > Self::MAX {
            errors.push(WebhookHeadersError::Number);
        }
        headers.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if errors.is_empty() {
            Ok(Self(headers))
        } else {
            Err(errors)
        }
    }

    /// The names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The number of header fields.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The names only.
impl fmt::Debug for WebhookHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// Checks a name in lower case.
fn check_name(name: &str) -> Result<(), WebhookHeadersError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !(1..=WebhookHeaders::MAX_NAME_LENGTH).contains(&name.len()) || !name.bytes().all(is_token) {
        let shown = name.chars().take(WebhookHeaders::MAX_NAME_LENGTH);
        return Err(WebhookHeadersError::Name(shown.collect()));
    }
    let is_forbidden = FORBIDDEN.contains(&name)
        || FORBIDDEN_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if is_forbidden {
        return Err(WebhookHeadersError::Forbidden(name.to_owned()));
    }
    Ok(())
}

fn is_value(value: &str) -> bool {
    let is_blank = |byte: Option<&u8>| byte.is_some_and(|byte| b" \t".contains(byte));
    let bytes = value.as_bytes();
    value.len() <= WebhookHeaders::MAX_VALUE_LENGTH
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && !is_blank(bytes.first())
        && !is_blank(bytes.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn rejects(fields: &[(&str, &str)], error: WebhookHeadersError) {
        assert_eq!(
            WebhookHeaders::parse(fields.iter().copied()),
            Err(vec![error])
        );
    }

    #[test]
    fn names_become_lower_case_and_sorted() {
        let headers = WebhookHeaders::parse([("X-B", "2\t 3"), ("Authorization", "")]).unwrap();
        let fields: Vec<_> = headers.iter().collect();
        assert_eq!(fields, [("authorization", ""), ("x-b", "2\t 3")]);
        assert_eq!(format!("{headers:?}"), r#"["authorization", "x-b"]"#);
    }

    #[test]
    fn owned_names_are_forbidden() {
        for name in [
            "Host",
            "content-type",
            "Content-Length",
            "Webhook-Id",
            "ce-id",
            "TE",
        ] {
            let lower = name.to_ascii_lowercase();
            rejects(&[(name, "a")], WebhookHeadersError::Forbidden(lower));
        }
        for name in [
            "upgrade",
            "connection",
            "transfer-encoding",
            "Proxy-Authorization",
        ] {
            let lower = name.to_ascii_lowercase();
            rejects(&[(name, "a")], WebhookHeadersError::Forbidden(lower));
        }
        for name in ["contents", "webhook", "ce", "cookie", "x-host"] {
            assert!(WebhookHeaders::parse([(name, "a")]).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_and_values_follow_rfc_9110() {
        for name in ["", "a b", "a:", "é", "a\r\nb", "(a)"] {
            rejects(&[(name, "a")], WebhookHeadersError::Name(name.to_owned()));
        }
        for value in [
            " a",
            "a ",
            "a\r\nb: c",
            "a\0",
            "é",
            "a\u{7f}",
            "\ta",
            &"a".repeat(4_097),
        ] {
            rejects(&[("a", value)], WebhookHeadersError::Value("a".to_owned()));
        }
        assert!(WebhookHeaders::parse([("a", "a".repeat(4_096))]).is_ok());
    }

    #[test]
    fn all_mistakes_are_reported() {
        rejects(
            &[("a", "1"), ("A", "2")],
            WebhookHeadersError::Repeated("a".to_owned()),
        );
        let many = |count: usize| (0..count).map(|number| (format!("h{number}"), "a"));
        assert_eq!(
            WebhookHeaders::parse(many(16)).map(|headers| headers.len()),
            Ok(16)
        );
        assert_eq!(
            WebhookHeaders::parse(many(17).chain([("host".to_owned(), "a")])),
            Err(vec![
                WebhookHeadersError::Forbidden("host".to_owned()),
                WebhookHeadersError::Number
            ])
        );
    }
}
