//! The idempotency key of a message, and those of the batches of one input.

use posthorn_domain::{IdempotencyKey, IdempotencyKeyError};

use crate::error::ClientError;

/// The characters that the longest number of a batch adds to a key: `.` and the digits of `u32::MAX`.
const SUFFIX_LENGTH: usize = 11;
/// The most characters of a key of several batches.
const MAX_LENGTH: usize = IdempotencyKey::MAX_LENGTH - SUFFIX_LENGTH;

/// Parses a key, which may be quoted (RFC 9651, 3.3.3), and returns its text.
pub(in crate::commands) fn parse(text: &str) -> Result<String, IdempotencyKeyError> {
    let key = match text.trim().strip_prefix('"') {
        Some(quoted) => unescaped(quoted).ok_or(IdempotencyKeyError::Character)?,
        None => text.to_owned(),
    };
    IdempotencyKey::parse(&key)?;
    Ok(text.to_owned())
}

/// The content of a quoted key that begins after its first quote; `None` if it is malformed.
fn unescaped(quoted: &str) -> Option<String> {
    let content = quoted.strip_suffix('"')?;
    let mut text = String::with_capacity(content.len());
    let mut characters = content.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            _ => text.push(character),
        }
    }
    Some(text)
}

/// The key of the batch `number`, from 1, of an input: `key` itself, `key.2`, `key.3`. A quoted key
/// (RFC 9651, 3.3.3) stays quoted.
pub(super) fn batch_key(key: &str, number: u32) -> String {
    if number == 1 {
        return key.to_owned();
    }
    match quoted_content(key) {
        Some(content) => format!("\"{content}.{number}\""),
        None => format!("{key}.{number}"),
    }
}

/// True if a key is too long for the number of a batch.
pub(super) fn is_for_one_batch(key: &str) -> bool {
    let length = match quoted_content(key) {
        Some(content) => unescaped_length(content),
        None => key.len(),
    };
    length > MAX_LENGTH
}

/// The error of such a key for an input of several batches.
pub(super) fn too_long() -> ClientError {
    ClientError::Local(format!(
        "--idempotency-key: the input has several batches, whose numbers are added to the key: it has \
         at most {MAX_LENGTH} characters then"
    ))
}

/// The content of a quoted key, with its escapes; `None` for a bare key.
fn quoted_content(key: &str) -> Option<&str> {
    key.trim_end().strip_prefix('"')?.strip_suffix('"')
}

/// The number of characters for which `content` stands: an escape stands for one.
fn unescaped_length(content: &str) -> usize {
    let mut characters = content.chars();
    let mut length = 0;
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        }
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_and_may_be_quoted() {
        let longest = "k".repeat(255);
        for key in [
            "k",
            "a\"b",
            "\"q\"",
            "\"a\\\"b\" ",
            &longest,
            &format!("\"{longest}\""),
        ] {
            assert_eq!(parse(key), Ok(key.to_owned()));
        }
        for key in [
            "", "a b", "a\nb", "ключ", "\"", "\"\"", "\"a\"b\"", "\"a\\\"", "\"\\n\"",
        ] {
            assert!(parse(key).is_err(), "{key}");
        }
        assert_eq!(
            parse(&format!("{longest}k")),
            Err(IdempotencyKeyError::Length)
        );
    }

    #[test]
    fn later_batches_have_their_number_in_the_key() {
        for (key, number, expected) in [
            ("k", 1, "k"),
            ("k", 2, "k.2"),
            ("\"q\"", 1, "\"q\""),
            ("\"q\"", 12, "\"q.12\""),
            ("\"a\\\"b\" ", 2, "\"a\\\"b.2\""),
            ("\"", 2, "\".2"),
            ("a\"b\"", 2, "a\"b\".2"),
        ] {
            assert_eq!(batch_key(key, number), expected, "{key}");
        }
    }

    #[test]
    fn a_key_of_several_batches_leaves_space_for_every_number() {
        for (key, expected) in [
            ("k".repeat(244), false),
            ("k".repeat(245), true),
            (format!("\"{}\"", "k".repeat(244)), false),
            (format!("\"{}\"", "k".repeat(245)), true),
            (format!("\"{}\"", "\\\"".repeat(244)), false),
        ] {
            assert_eq!(is_for_one_batch(&key), expected, "{key}");
        }
        let longest = batch_key(&"k".repeat(MAX_LENGTH), u32::MAX);
        assert!(IdempotencyKey::parse(&longest).is_ok());
    }
}
