//! Handing out messages and settling them.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Attempt, FailureReason, LeaseDuration, LeaseNonce, LeaseToken, Message, MessageId, PullLimit,
    Timestamp,
};

/// What to lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// The most messages.
    pub limit: PullLimit,
    /// How long the leases hold; `None` for the lease duration of the consumer.
    pub lease: Option<LeaseDuration>,
    /// The nonce of the leases. The caller draws it at random for each pull.
    pub nonce: LeaseNonce,
}

/// The outcome of a pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PulledLeases {
    /// The leased messages, in the order of hand-out.
    pub messages: Vec<LeasedMessage>,
    /// The ids of messages that were due and cannot be read: the record is damaged, or does not match
    /// its checksum. They are settled and count as missed.
    pub unreadable: Vec<MessageId>,
    /// Whether another pull would hand out a message now.
    pub more: bool,
    /// How long until the passing of time alone may let a pull hand out a message: until the first
    /// waiting entry is due or the first lease ends, by the store's clock and above zero. `None`
    /// when there is neither. It MAY be early, never late.
    pub next_due: Option<Duration>,
}

/// A message under a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedMessage {
    /// The message.
    pub message: Arc<Message>,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The end of the lease, by the store's clock.
    pub expires_at: Timestamp,
}

/// What to do with leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseUpdate {
    /// Acknowledge: the messages are settled.
    Ack,
    /// Reject: each message is dead after its last attempt, and waits otherwise.
    Nack {
        /// How long the message waits; `None` for the wait of the consumer's backoff.
        delay: Option<Duration>,
        /// Why the attempt failed. It replaces the last reason; `None` removes that.
        reason: Option<FailureReason>,
    },
    /// Extend: the leases hold this long from now, also where that is shorter; `None` for the lease
    /// duration of the consumer.
    Extend(Option<LeaseDuration>),
    /// Release: the leases end as if they had not been granted, as
    /// [`crate::ConsumerStore::give_back`] ends those of a pull.
    Release,
}

/// The outcome of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasesUpdated {
    /// For each token, in the order of the call: whether it was of a valid lease.
    pub valid: Vec<bool>,
    /// For [`LeaseUpdate::Extend`], also when no lease was valid: the new end of the leases, by the
    /// store's clock. `None` otherwise.
    pub expires_at: Option<Timestamp>,
}

impl LeasedMessage {
    /// The token of the lease, which was granted under `nonce`.
    pub fn token(&self, nonce: LeaseNonce) -> LeaseToken {
        LeaseToken {
            id: self.message.id,
            attempt: self.attempt,
            nonce,
        }
    }
}
