//! The permissions of a token: scopes and topic patterns.

use std::fmt;
use std::str::FromStr;

use crate::topic::Topic;

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// To send messages.
    Write,
    /// To read topics, messages and streams.
    Read,
    /// To delete messages.
    Delete,
    /// To revoke tokens.
    Revoke,
    /// Pulling and settling messages of a consumer.
    Consume,
    /// Creating, changing and deleting consumers, and handling their dead letters.
    ManageConsumers,
    /// Creating, changing, testing and deleting webhooks, and handling their dead letters.
    ManageWebhooks,
}

/// A text is not the name of a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope: messages:write, messages:read, messages:delete, messages:consume, consumers:manage, \
     webhooks:manage or tokens:revoke"
)]
pub struct ScopeError(String);

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::Write,
        Self::Read,
        Self::Delete,
        Self::Consume,
        Self::ManageConsumers,
        Self::ManageWebhooks,
        Self::Revoke,
    ];

    /// The name in tokens and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "messages:write",
            Self::Read => "messages:read",
            Self::Delete => "messages:delete",
            Self::Consume => "messages:consume",
            Self::ManageConsumers => "consumers:manage",
            Self::ManageWebhooks => "webhooks:manage",
            Self::Revoke => "tokens:revoke",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Write => 1,
            Self::Read => 2,
            Self::Delete => 4,
            Self::Revoke => 8,
            Self::Consume => 16,
            Self::ManageConsumers => 32,
            Self::ManageWebhooks => 64,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|scope| scope.as_str() == name)
            .ok_or_else(|| ScopeError(name.to_owned()))
    }
}

impl Scopes {
    /// The scopes in a list separated by spaces (RFC 6749, 3.3). Unknown names are ignored: they
    /// permit nothing here.
    pub fn known_in(list: &str) -> Self {
        list.split(' ')
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// True if the set contains `scope`.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// The names, separated by spaces.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for scope in Scope::ALL.into_iter().filter(|scope| self.contains(*scope)) {
            write!(f, "{separator}{scope}")?;
            separator = " ";
        }
        Ok(())
    }
}

/// A topic name in which `*` matches any characters, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern(Box<str>);

/// Why a text is not a topic pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicPatternError {
    /// No characters, or more than a topic may have.
    #[error("a pattern of topics has 1 to {} characters", Topic::MAX_LENGTH)]
    Length,
    /// A character that is neither `*` nor allowed in a topic.
    #[error("a pattern of topics is made of a-z, 0-9, '.', '_', '-' and '*'")]
    Character,
}

impl TopicPattern {
    /// Checks `pattern` and keeps it unchanged.
    pub fn parse(pattern: &str) -> Result<Self, TopicPatternError> {
        if pattern.is_empty() || pattern.len() > Topic::MAX_LENGTH {
            return Err(TopicPatternError::Length);
        }
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'.' | b'_' | b'-' | b'*')
        };
        if pattern.bytes().all(allowed) {
            Ok(Self(Box::from(pattern)))
        } else {
            Err(TopicPatternError::Character)
        }
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the pattern matches `topic`. The first and the last part match the ends; each part
    /// between is searched after the previous one, so that the time is linear.
    pub fn matches(&self, topic: &Topic) -> bool {
        let name = topic.as_str();
        let Some((first, rest)) = self.0.split_once('*') else {
            return *self.0 == *name;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(name) = name.strip_prefix(first) else {
            return false;
        };
        let Some(mut name) = name.strip_suffix(last) else {
            return false;
        };
        for part in middle.split('*') {
            match name.split_once(part) {
                // An empty part matches at once and consumes nothing.
                Some((_, after)) => name = after,
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
