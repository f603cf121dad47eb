//! The idempotency key and the fingerprint, by which a retry is recognised.

use std::fmt::{self, Write as _};

/// The client's `Idempotency-Key`: 1 to 255 visible ASCII characters (0x21 to 0x7E); or the key of a
/// named sender, which no client can send.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Box<str>);

/// Why a text is not an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// No characters, or more than [`IdempotencyKey::MAX_LENGTH`].
    #[error(
        "an idempotency key has 1 to {} characters",
        IdempotencyKey::MAX_LENGTH
    )]
    Length,
    /// A space, a control character or a character outside ASCII.
    #[error("an idempotency key consists of visible ASCII characters")]
    Character,
}

impl IdempotencyKey {
    /// The most characters; each is one byte.
    pub const MAX_LENGTH: usize = 255;

    /// Checks `key` and keeps it unchanged.
    pub fn parse(key: &str) -> Result<Self, IdempotencyKeyError> {
        if key.is_empty() || key.len() > Self::MAX_LENGTH {
            Err(IdempotencyKeyError::Length)
        } else if key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(Box::from(key)))
        } else {
            Err(IdempotencyKeyError::Character)
        }
    }

    /// The key of one sender alone, from a digest of the sender and its key. It begins with a space,
    /// which is no character of a client's key.
    pub fn of_sender(digest: &Fingerprint) -> Self {
        Self([" ", &digest.to_hex()].concat().into())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A collision-resistant digest (SHA-256, FIPS 180-4) of the message in a request: equal fingerprints
/// mean equal messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; Self::LENGTH]);

impl Fingerprint {
    /// The length of a fingerprint, in bytes.
    pub const LENGTH: usize = 32;

    /// The fingerprint with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The bytes as hexadecimal digits.
    pub fn to_hex(self) -> String {
        let mut hex = String::with_capacity(2 * Self::LENGTH);
        for byte in self.0 {
            // Writing to a `String` does not fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(")?;
        self.0
            .iter()
            .take(4)
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, expected: Result<(), IdempotencyKeyError>) {
        assert_eq!(
            IdempotencyKey::parse(key).map(|parsed| assert_eq!(parsed.as_str(), key)),
            expected
        );
    }

    #[test]
    fn keys_are_visible_ascii_within_the_limit() {
        check("!", Ok(()));
        check("~0b7e-Aa", Ok(()));
        check(&"k".repeat(255), Ok(()));
        check("", Err(IdempotencyKeyError::Length));
        check(&"k".repeat(256), Err(IdempotencyKeyError::Length));
        check("a b", Err(IdempotencyKeyError::Character));
        check("ключ", Err(IdempotencyKeyError::Character));
        check("a\u{7f}", Err(IdempotencyKeyError::Character));
    }

    #[test]
    fn debug_shows_the_first_bytes_of_a_fingerprint() {
        assert_eq!(
            format!("{:?}", Fingerprint::from_bytes([0xab; 32])),
            "Fingerprint(abababab…)"
        );
    }
}
