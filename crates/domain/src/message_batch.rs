//! Messages that are stored together or not at all.

use crate::attributes::Attributes;
use crate::content::MessageContent;
use crate::message::{MessageParts, NewMessage};
use crate::topic::Topic;
use crate::trace_parent::TraceParent;

/// 1 to 1,000 messages of one topic, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageBatch(Box<[BatchMessage]>);

/// One message of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchMessage {
    /// The text.
    pub content: MessageContent,
    /// The sender's attributes.
    pub attributes: Attributes,
    /// The sender's place in a trace, if it sent one.
    pub traceparent: Option<TraceParent>,
}

/// There are no messages, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch has 1 to {} messages", MessageBatch::MAX_MESSAGES)]
pub struct MessageBatchError;

impl MessageBatch {
    /// The most messages of a batch.
    pub const MAX_MESSAGES: usize = 1000;

    /// Checks the number of messages.
    pub fn parse(messages: Vec<BatchMessage>) -> Result<Self, MessageBatchError> {
        if (1..=Self::MAX_MESSAGES).contains(&messages.len()) {
            Ok(Self(messages.into()))
        } else {
            Err(MessageBatchError)
        }
    }

    /// The messages, in their order.
    pub const fn messages(&self) -> &[BatchMessage] {
        &self.0
    }

    /// The number of messages, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The messages, in their order.
    pub fn into_messages(self) -> Vec<BatchMessage> {
        self.0.into_vec()
    }
}

impl BatchMessage {
    /// The parts that the sender gave.
    pub const fn parts(&self) -> MessageParts<'_> {
        MessageParts {
            content: &self.content,
            attributes: &self.attributes,
            traceparent: self.traceparent.as_ref(),
        }
    }

    /// The message, to `topic`.
    pub fn into_message(self, topic: Topic) -> NewMessage {
        let Self {
            content,
            attributes,
            traceparent,
        } = self;
        NewMessage {
            topic,
            content,
            attributes,
            traceparent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_to_a_thousand_messages() {
        let message = BatchMessage {
            content: MessageContent::from_store("x"),
            attributes: Attributes::default(),
            traceparent: None,
        };
        for (count, fits) in [(0, false), (1, true), (1000, true), (1001, false)] {
            let batch = MessageBatch::parse(vec![message.clone(); count]);
            assert_eq!(
                batch.as_ref().map(MessageBatch::len),
                if fits {
                    Ok(count)
                } else {
                    Err(&MessageBatchError)
                }
            );
        }
    }
}
