//! The receipt of a stored message.

use std::sync::Arc;

use crate::durability::Durability;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;
use crate::topic::Topic;

/// The acknowledgement of one stored message. A retry with the same idempotency key gets the first
/// receipt again, field for field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the message.
    pub id: MessageId,
    /// The topic of the message.
    pub topic: Topic,
    /// The durability at the time of the acknowledgement.
    pub durability: Durability,
    /// The name of the instance that accepted it.
    pub instance: Arc<str>,
    /// The time of acceptance, by the store's clock: that of [`Message`](crate::Message).
    pub processed_at: Timestamp,
}
