//! What a store hands out for a message it accepted.

use std::sync::Arc;

use crate::{Durability, MessageId, Timestamp, Topic};

/// The acknowledgement of one stored message. A retry with the same idempotency key gets the
/// first receipt again, member for member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id the store gave the message.
    pub id: MessageId,
    /// Where the message is.
    pub topic: Topic,
    /// What the store had reached when it acknowledged the message.
    pub durability: Durability,
    /// The name of the process that accepted it.
    pub pod: Arc<str>,
}

impl Receipt {
    /// When the store accepted the message, by the store's clock.
    pub fn processed_at(&self) -> Timestamp {
        self.id.timestamp()
    }
}
