//! A message before and after it is stored.

use crate::attributes::Attributes;
use crate::content::MessageContent;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;
use crate::topic::Topic;
use crate::trace_parent::TraceParent;

/// A valid message that no store has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The topic.
    pub topic: Topic,
    /// The text.
    pub content: MessageContent,
    /// The sender's attributes.
    pub attributes: Attributes,
    /// The sender's place in a trace, if it sent one.
    pub traceparent: Option<TraceParent>,
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
    /// The sender's place in a trace, if it sent one.
    pub traceparent: Option<TraceParent>,
    /// The time of acceptance, by the store's clock. It is earlier than the time in the id if the
    /// clock went back: ids never do.
    pub processed_at: Timestamp,
}

/// What the sender gave: the parts of a message that a store keeps as they are.
#[derive(Clone, Copy, Debug)]
pub struct MessageParts<'a> {
    /// The text.
    pub content: &'a MessageContent,
    /// The sender's attributes.
    pub attributes: &'a Attributes,
    /// The sender's place in a trace, if it sent one.
    pub traceparent: Option<&'a TraceParent>,
}

impl MessageParts<'_> {
    /// The bytes of the text, the attributes and the `traceparent` in UTF-8.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes: usize = attributes.map(|(key, value)| key.len() + value.len()).sum();
        let traceparent = self.traceparent.map_or(0, |_| TraceParent::LENGTH);
        self.content.as_str().len() + attributes + traceparent
    }
}

impl NewMessage {
    /// The parts that the sender gave.
    pub const fn parts(&self) -> MessageParts<'_> {
        MessageParts {
            content: &self.content,
            attributes: &self.attributes,
            traceparent: self.traceparent.as_ref(),
        }
    }

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
            traceparent,
        } = self;
        Message {
            id,
            topic,
            content,
            attributes,
            traceparent,
            processed_at,
        }
    }
}

impl Message {
    /// The parts that the sender gave.
    pub const fn parts(&self) -> MessageParts<'_> {
        MessageParts {
            content: &self.content,
            attributes: &self.attributes,
            traceparent: self.traceparent.as_ref(),
        }
    }

    /// The bytes of its text, its attributes and its `traceparent` in UTF-8.
    pub fn bytes(&self) -> usize {
        self.parts().bytes()
    }
}
