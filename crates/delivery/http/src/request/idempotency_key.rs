//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use actix_web::http::header::{HeaderMap, HeaderName};
use posthorn_domain::IdempotencyKey;

use crate::wire::problem::{FieldCode, FieldProblem};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request: a string of Structured Fields (RFC 9651, 3.3.3) or the bare key.
///
/// # Errors
/// There are two headers, or it is no key.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, FieldProblem> {
    let problem = || FieldProblem::new("Idempotency-Key", FieldCode::IdempotencyKey);
    let mut values = headers.get_all(&IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(problem());
    }
    let text = value.to_str().map_err(|_| problem())?;
    let key = match text.strip_prefix('"') {
        Some(quoted) => IdempotencyKey::parse(&unquoted(quoted).ok_or_else(problem)?),
        None => IdempotencyKey::parse(text),
    };
    key.map(Some).map_err(|_| problem())
}

/// The content of a string of which `quoted` begins after its first quote; `None` if it is malformed.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => text.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            character => text.push(character),
        }
    }
    characters.as_str().trim().is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_quoted_key_and_the_bare_key_are_the_same() {
        for (value, expected) in [
            ("abc", Some("abc")),
            ("\"abc\"", Some("abc")),
            ("\"a\\\"b\\\\\"", Some("a\"b\\")),
            ("\"abc", None),
            ("\"abc\"d", None),
            ("\"a\\bc\"", None),
            ("\"\"", None),
            ("\"a b\"", None),
            ("a\"b", Some("a\"b")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                IDEMPOTENCY_KEY.clone(),
                HeaderValue::from_str(value).unwrap(),
            );
            let key = of(&headers).ok().flatten();
            assert_eq!(
                key.as_ref().map(IdempotencyKey::as_str),
                expected,
                "{value}"
            );
        }
    }
}
