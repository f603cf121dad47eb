//! What became of one message at a consumer.

use posthorn_domain::{Attempt, ConsumerName, FailureReason, Timestamp};

/// One message as a consumer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDelivery {
    /// The consumer.
    pub consumer: ConsumerName,
    /// The state of the message there.
    pub state: DeliveryState,
}

/// The state of a message at a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It will be handed out.
    Waiting {
        /// The number of the next attempt.
        attempt: Attempt,
        /// When it is due; `None` for a new message, which comes after those before it.
        due_at: Option<Timestamp>,
        /// Why the last attempt failed.
        reason: Option<FailureReason>,
    },
    /// A worker has it, under a valid lease.
    InFlight {
        /// Which attempt this is.
        attempt: Attempt,
        /// The end of the lease, by the store's clock.
        expires_at: Timestamp,
    },
    /// It was given up, and is a dead letter.
    Dead {
        /// The number of the last attempt.
        attempts: Attempt,
        /// Why that failed.
        reason: Option<FailureReason>,
        /// When it was given up, by the store's clock.
        died_at: Timestamp,
    },
    /// It will not be handed out: it was acknowledged, its dead letter was removed, or the position of the
    /// consumer skipped it. Stores do not keep which.
    Settled,
}
