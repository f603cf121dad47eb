//! The id of a request.

use actix_web::http::header::{HeaderMap, HeaderName};
use uuid::{NoContext, Uuid};

pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest client's id that is kept, in characters.
const MAX_LENGTH: usize = 128;

/// The client's `X-Request-ID` if it is valid, else a new UUID of version 7 (RFC 9562).
pub(crate) fn of(headers: &HeaderMap) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let given = headers
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    match given {
        Some(id) if (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed) => {
            id.to_owned()
        }
        _ => new(),
    }
}

/// A new id. Its random part makes it unique; a counter would be contended by all workers.
pub(crate) fn new() -> String {
    let id = Uuid::new_v7(uuid::Timestamp::now(NoContext));
    id.hyphenated()
        .encode_lower(&mut Uuid::encode_buffer())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn a_valid_id_is_kept_and_any_other_replaced() {
        let mut headers = HeaderMap::new();
        let (longest, too_long) = ("x".repeat(128), "x".repeat(129));
        for (given, kept) in [
            ("aZ0._-", true),
            (&longest, true),
            (&too_long, false),
            ("a b", false),
            ("", false),
        ] {
            headers.insert(X_REQUEST_ID.clone(), HeaderValue::from_str(given).unwrap());
            let id = of(&headers);
            assert_eq!(id == given, kept, "{given}");
            assert!(kept || Uuid::parse_str(&id).unwrap().get_version_num() == 7);
        }
    }
}
