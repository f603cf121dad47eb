//! The name of a topic.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A topic name: `[a-z0-9][a-z0-9._-]{0,63}`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

/// Why a text is not a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// No characters, or more than [`Topic::MAX_LENGTH`].
    #[error("a topic has 1 to {} characters", Topic::MAX_LENGTH)]
    Length,
    /// A character outside `a-z`, `0-9`, `.`, `_`, `-`, or a first one outside `a-z`, `0-9`.
    #[error("a topic consists of a-z, 0-9, '.', '_' and '-', and starts with a letter or a digit")]
    Character,
}

impl Topic {
    /// The most characters of a topic name; each is one byte.
    pub const MAX_LENGTH: usize = 64;
    /// The topic of messages that name none.
    pub const INBOX: &'static str = "inbox";

    /// Checks `name` and keeps it unchanged: it is neither trimmed nor lower-cased.
    pub fn parse(name: &str) -> Result<Self, TopicError> {
        if name.is_empty() || name.len() > Self::MAX_LENGTH {
            return Err(TopicError::Length);
        }
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let allowed = |byte: u8| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-');
        if name.bytes().next().is_some_and(alphanumeric) && name.bytes().all(allowed) {
            Ok(Self(Arc::from(name)))
        } else {
            Err(TopicError::Character)
        }
    }

    /// The topic of messages that name none.
    pub fn inbox() -> Self {
        Self(Arc::from(Self::INBOX))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Maps by topic are searched by name.
impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Result<(), TopicError>) {
        assert_eq!(
            Topic::parse(name).map(|topic| assert_eq!(topic.as_str(), name)),
            expected
        );
    }

    #[test]
    fn names_follow_the_rule() {
        check("inbox", Ok(()));
        check("0.a_b-c", Ok(()));
        check(&"a".repeat(64), Ok(()));
        check("", Err(TopicError::Length));
        check(&"a".repeat(65), Err(TopicError::Length));
        check("-a", Err(TopicError::Character));
        check(".a", Err(TopicError::Character));
        check("Inbox", Err(TopicError::Character));
        check("a b", Err(TopicError::Character));
        check("привет", Err(TopicError::Character));
        check("a/b", Err(TopicError::Character));
    }

    #[test]
    fn the_inbox_is_a_valid_topic() {
        assert_eq!(Topic::parse(Topic::INBOX), Ok(Topic::inbox()));
    }
}
