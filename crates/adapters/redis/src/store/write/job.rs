//! A write that waits for its turn, and its outcome.

use posthorn_domain::Durability;
use redis::Value;
use tokio::sync::oneshot;

use super::command::Write;
use crate::call_span::CallFailure;
use crate::cluster::slots::NodeAddress;
use crate::failure::RedisFailure;

/// A write and the channel of its outcome.
pub(crate) struct WriteJob {
    pub(crate) write: Write,
    /// True if the node is importing the slot, so the command needs `ASKING`.
    pub(crate) asking: bool,
    pub(crate) reply: oneshot::Sender<Result<Written, WriteError>>,
}

/// A write that reached the required durability.
pub(crate) struct Written {
    pub(crate) write: Write,
    pub(crate) reply: Value,
    pub(crate) durability: Durability,
}

/// The failure of a write.
pub(crate) enum WriteError {
    /// The server may have executed the write.
    Failed(RedisFailure),
    /// The write was not executed; another node owns the slot.
    WrongNode(Write, RedisFailure),
    /// The write was not executed; this node is importing the slot.
    Ask(Write, NodeAddress, RedisFailure),
}

impl CallFailure for WriteError {
    fn failure(&self) -> &RedisFailure {
        match self {
            Self::Failed(failure) | Self::WrongNode(_, failure) | Self::Ask(_, _, failure) => {
                failure
            }
        }
    }
}
