//! A consumer: its name, its settings, and its position in its topic.

mod pull;
mod settings;

use std::fmt;
use std::str::FromStr;

use crate::message_id::MessageId;
use crate::timestamp::Timestamp;
use crate::topic::Topic;

pub use pull::{PullLimit, PullLimitError, PullWait, RedeliveryDelay};
pub use settings::{
    ConsumerOptions, ConsumerSettings, ConsumerSettingsError, InFlightLimit, InFlightLimitError,
    SettingsTag,
};

/// The name of a consumer or of a webhook, unique per topic and kind. Its rule is that of a topic's
/// name: `[a-z0-9][a-z0-9._-]{0,63}`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(Topic);

/// A text is not the name of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a consumer's name has 1 to {} characters of a-z, 0-9, '.', '_' and '-', and starts with a \
     letter or a digit",
    ConsumerName::MAX_LENGTH
)]
pub struct ConsumerNameError;

/// The worker of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsumerKind {
    /// A client that pulls.
    Consumer,
    /// Posthorn itself, which POSTs each message to a URL.
    Webhook,
}

/// The identity of a consumer. A consumer and a webhook of one name are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey {
    /// Its topic.
    pub topic: Topic,
    /// Its kind.
    pub kind: ConsumerKind,
    /// Its name.
    pub name: ConsumerName,
}

/// A position between the messages of a topic: what comes after it is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsumerPosition {
    /// Before the oldest message.
    #[default]
    Oldest,
    /// After the newest message.
    Newest,
    /// After the message of this id, which need not exist.
    After(MessageId),
    /// Before the first message that was accepted at this moment or later.
    From(Timestamp),
}

impl ConsumerName {
    /// The most characters; each is one byte.
    pub const MAX_LENGTH: usize = Topic::MAX_LENGTH;

    /// Takes `name` as it is.
    pub fn parse(name: &str) -> Result<Self, ConsumerNameError> {
        Topic::parse(name).map(Self).map_err(|_| ConsumerNameError)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ConsumerName {
    type Err = ConsumerNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name)
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConsumerKind {
    /// The name in keys and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for ConsumerKey {
    /// The topic and the name: `topic/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.name)
    }
}

impl ConsumerPosition {
    /// The id that everything before the position lies at or below. `newest` is the newest id that
    /// the topic has given.
    pub fn cursor(self, newest: MessageId) -> MessageId {
        match self {
            Self::Oldest => MessageId::MIN,
            Self::Newest => newest,
            Self::After(id) => id,
            Self::From(moment) => match moment.as_millis().checked_sub(1) {
                Some(before) => MessageId::new(Timestamp::from_millis(before), u64::MAX),
                None => MessageId::MIN,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64, sequence: u64) -> MessageId {
        MessageId::new(Timestamp::from_millis(millis), sequence)
    }

    #[test]
    fn names_follow_the_rule_of_topics() {
        let longest = "a".repeat(64);
        for name in ["a", "0.a_b-c", longest.as_str()] {
            assert_eq!(ConsumerName::parse(name).unwrap().to_string(), name);
        }
        for name in ["", "-a", "A", "a b", "é", &"a".repeat(65)] {
            assert_eq!(ConsumerName::parse(name), Err(ConsumerNameError), "{name}");
        }
    }

    #[test]
    fn an_id_is_exclusive_and_a_time_inclusive() {
        let newest = id(9, 9);
        let after = |position: ConsumerPosition, id| id > position.cursor(newest);
        assert!(after(ConsumerPosition::Oldest, id(0, 1)));
        assert!(!after(ConsumerPosition::Newest, newest));
        assert!(!after(ConsumerPosition::After(id(5, 5)), id(5, 5)));
        assert!(after(ConsumerPosition::After(id(5, 5)), id(5, 6)));
        let from = ConsumerPosition::From(Timestamp::from_millis(5));
        assert!(!after(from, id(4, u64::MAX)));
        assert!(after(from, id(5, 0)));
        assert!(after(
            ConsumerPosition::From(Timestamp::from_millis(0)),
            id(0, 1)
        ));
    }
}
