//! The operations of the writer, and their outcomes.

use std::time::Duration;

use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, Pruned,
    RetentionPolicy, StoreError,
};
use posthorn_domain::{MessageId, Timestamp, TokenId, Topic};
use tokio::sync::oneshot;

use crate::consumer_call::BatchedConsumerCall;
use crate::notifiers::Notifiers;

/// The channel of one outcome.
pub(crate) type Reply<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// An operation, with the channel of its outcome. The caller may have dropped its receiver.
pub(crate) enum Command {
    Append(Append, Reply<Appended, AppendError>),
    AppendBatch(Box<AppendBatch>, Reply<AppendedBatch, AppendError>),
    Delete(Topic, MessageId, Reply<bool>),
    /// Deletes the oldest messages before an id, up to a limit.
    DeleteBefore(Topic, MessageId, usize, Reply<BulkDeletion>),
    /// A call on a consumer; it holds its own reply.
    Consumer(Box<dyn BatchedConsumerCall>),
    /// Prunes by a policy, within a budget.
    Prune(RetentionPolicy, usize, Reply<Pruned>),
    /// Revokes a token until a time.
    Revoke(TokenId, Timestamp, Reply<()>),
    /// Writes a row and deletes it, to check that writing works.
    Probe(Reply<()>),
    /// Marks the file as closed in order and ends the thread.
    Close(oneshot::Sender<()>),
}

/// The outcome of an operation, to be sent after the commit.
pub(crate) enum CommandOutcome {
    Append(Result<Appended, AppendError>),
    AppendBatch(Result<AppendedBatch, AppendError>),
    Delete(bool),
    DeleteBefore(BulkDeletion),
    Prune(Pruned),
    /// The call holds its own outcome.
    Consumer,
    Done,
}

impl Command {
    /// True if the caller dropped its receiver. It may have got an error and retried, so
    /// executing this command could apply it twice.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Append(_, reply) => reply.is_closed(),
            Self::AppendBatch(_, reply) => reply.is_closed(),
            Self::Delete(_, _, reply) => reply.is_closed(),
            Self::DeleteBefore(.., reply) => reply.is_closed(),
            Self::Prune(_, _, reply) => reply.is_closed(),
            Self::Revoke(_, _, reply) | Self::Probe(reply) => reply.is_closed(),
            Self::Consumer(call) => call.is_abandoned(),
            Self::Close(_) => false,
        }
    }

    /// True if the outcome of the command is true whether its transaction is committed or not.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Self::Consumer(call) if call.is_read())
    }

    /// True if the reply must wait for the sync.
    pub(crate) fn is_durable(&self) -> bool {
        match self {
            Self::Consumer(call) => call.is_durable(),
            _ => true,
        }
    }

    /// The number of rows, about, that the command writes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::AppendBatch(append, _) => append.batch.len(),
            Self::DeleteBefore(_, _, limit, _) => *limit,
            _ => 1,
        }
    }

    /// The TTL of the command's idempotency key.
    pub(crate) fn key_ttl(&self) -> Option<Duration> {
        let idempotency = match self {
            Self::Append(append, _) => append.idempotency.as_ref(),
            Self::AppendBatch(append, _) => append.idempotency.as_ref(),
            _ => None,
        };
        idempotency.map(|idempotency| idempotency.ttl)
    }

    /// The topic that got a message.
    pub(crate) fn appended_topic(&self, outcome: &CommandOutcome) -> Option<&str> {
        match (self, outcome) {
            (Self::Append(append, _), CommandOutcome::Append(Ok(appended)))
                if !appended.replayed =>
            {
                Some(append.message.topic.as_str())
            }
            (Self::AppendBatch(append, _), CommandOutcome::AppendBatch(Ok(appended)))
                if !appended.replayed =>
            {
                Some(append.topic.as_str())
            }
            _ => None,
        }
    }

    /// Sends the outcome of the command.
    pub(crate) fn succeed(self, outcome: CommandOutcome, notifiers: &Notifiers) {
        match (self, outcome) {
            (Self::Append(_, reply), CommandOutcome::Append(outcome)) => drop(reply.send(outcome)),
            (Self::AppendBatch(_, reply), CommandOutcome::AppendBatch(outcome)) => {
                drop(reply.send(outcome));
            }
            (Self::Delete(_, _, reply), CommandOutcome::Delete(existed)) => {
                drop(reply.send(Ok(existed)));
            }
            (Self::DeleteBefore(.., reply), CommandOutcome::DeleteBefore(deletion)) => {
                drop(reply.send(Ok(deletion)));
            }
            (Self::Prune(_, _, reply), CommandOutcome::Prune(pruned)) => {
                drop(reply.send(Ok(pruned)));
            }
            (Self::Consumer(call), _) => call.reply(notifiers),
            (Self::Revoke(_, _, reply) | Self::Probe(reply), CommandOutcome::Done) => {
                drop(reply.send(Ok(())));
            }
            _ => {}
        }
    }

    /// Sends an error.
    pub(crate) fn fail(self, error: StoreError) {
        match self {
            Self::Append(_, reply) => drop(reply.send(Err(error.into()))),
            Self::AppendBatch(_, reply) => drop(reply.send(Err(error.into()))),
            Self::Delete(_, _, reply) => drop(reply.send(Err(error))),
            Self::DeleteBefore(.., reply) => drop(reply.send(Err(error))),
            Self::Prune(_, _, reply) => drop(reply.send(Err(error))),
            Self::Consumer(call) => call.fail(error),
            Self::Revoke(_, _, reply) | Self::Probe(reply) => drop(reply.send(Err(error))),
            Self::Close(_) => {}
        }
    }
}
