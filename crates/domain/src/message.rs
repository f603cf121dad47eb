//! A message before and after it is stored.

use crate::attributes::Attributes;
use crate::content::MessageContent;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;
use crate::topic::Topic;

/// A valid message that no store has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The topic.
    pub topic: Topic,
    /// The text.
    pub content: MessageContent,
    /// The sender's attributes.
    pub attributes: Attributes,
}

/// A stored message. It never changes; it is only deleted or pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The id, which orders the messages of the topic.
    pub id: MessageId,
    /// The topic.
    pub topic: Topic,
    /// The text.
    pub content: MessageContent,
    /// The sender's attributes.
    pub attributes: Attributes,
    /// The time of acceptance, by the store's clock. It is earlier than the time in the id if the
    /// clock went back: ids never do.
    pub processed_at: Timestamp,
}

impl NewMessage {
    /// The message with the id that the store assigned, accepted at the time in the id.
    pub fn accepted(self, id: MessageId) -> Message {
        self.accepted_at(id, id.timestamp())
    }

    /// The message with the id that the store assigned, accepted at `processed_at`.
    pub fn accepted_at(self, id: MessageId, processed_at: Timestamp) -> Message {
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
            processed_at,
        }
    }
}

impl Message {
    /// The bytes of its text and attributes in UTF-8.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes: usize = attributes.map(|(key, value)| key.len() + value.len()).sum();
        self.content.as_str().len() + attributes
    }
}
