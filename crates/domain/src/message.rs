//! A message before and after it is stored.

use crate::{Attributes, MessageContent, MessageId, Timestamp, Topic};

/// A valid message that no store has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Where it goes.
    pub topic: Topic,
    /// Its text.
    pub content: MessageContent,
    /// What else the sender said about it.
    pub attributes: Attributes,
}

/// A stored message. It never changes; it can only be deleted or pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the order of its topic.
    pub id: MessageId,
    /// Where it was sent.
    pub topic: Topic,
    /// Its text.
    pub content: MessageContent,
    /// What else the sender said about it.
    pub attributes: Attributes,
}

impl NewMessage {
    /// The message as the store accepted it.
    pub fn accepted(self, id: MessageId) -> Message {
        let Self {
            topic,
            content,
            attributes,
        } = self;
        Message {
            id,
            topic,
            content,
            attributes,
        }
    }
}

impl Message {
    /// When the store accepted it, by the store's clock.
    pub fn processed_at(&self) -> Timestamp {
        self.id.timestamp()
    }
}
