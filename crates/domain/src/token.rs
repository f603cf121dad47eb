//! The id of a token and its subject.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The id of a token (`jti`, RFC 7519, 4.1.7): 1 to 64 of `A-Z a-z 0-9 . _ -`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Arc<str>);

/// A text is not the id of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id of a token has 1 to {} characters of A-Z, a-z, 0-9, '.', '_' and '-'",
    TokenId::MAX_LENGTH
)]
pub struct TokenIdError;

/// The bearer that a token was issued to (`sub`, RFC 7519, 4.1.2): 1 to 128 visible ASCII characters. Cheap to
/// clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

/// A text is not a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subject has 1 to {} visible ASCII characters", Subject::MAX_LENGTH)]
pub struct SubjectError;

impl TokenId {
    /// The most characters; each is one byte.
    pub const MAX_LENGTH: usize = 64;

    /// Checks `id` and keeps it unchanged.
    pub fn parse(id: &str) -> Result<Self, TokenIdError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=Self::MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed) {
            Ok(Self(Arc::from(id)))
        } else {
            Err(TokenIdError)
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::parse(id)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Subject {
    /// The most characters; each is one byte.
    pub const MAX_LENGTH: usize = 128;

    /// Checks `subject` and keeps it unchanged.
    pub fn parse(subject: &str) -> Result<Self, SubjectError> {
        let is_visible = subject.bytes().all(|byte| byte.is_ascii_graphic());
        if (1..=Self::MAX_LENGTH).contains(&subject.len()) && is_visible {
            Ok(Self(Arc::from(subject)))
        } else {
            Err(SubjectError)
        }
    }

    /// The subject.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(subject: &str) -> Result<Self, Self::Err> {
        Self::parse(subject)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_paths_and_keys() {
        let longest = "a".repeat(TokenId::MAX_LENGTH);
        for (id, fits) in [
            ("0191-a_Z.9", true),
            (longest.as_str(), true),
            ("", false),
            ("a/b", false),
            ("a b", false),
            ("я", false),
            ("a{b}", false),
        ] {
            assert_eq!(TokenId::parse(id).is_ok(), fits, "{id}");
        }
        assert!(TokenId::parse(&"a".repeat(TokenId::MAX_LENGTH + 1)).is_err());
    }

    #[test]
    fn subjects_are_visible_and_bounded() {
        let longest = "a".repeat(Subject::MAX_LENGTH);
        for (subject, fits) in [
            ("alice@example.com", true),
            (longest.as_str(), true),
            ("", false),
            ("alice smith", false),
            ("a\nb", false),
            ("алиса", false),
        ] {
            assert_eq!(Subject::parse(subject).is_ok(), fits, "{subject}");
        }
        assert!(Subject::parse(&"a".repeat(Subject::MAX_LENGTH + 1)).is_err());
    }
}
