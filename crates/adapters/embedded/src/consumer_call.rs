//! A call on the consumers as the writer executes it: in the transaction of its group, with the
//! reply held back until that is committed.

use posthorn_application::{ConsumerError, StoreError};
use posthorn_domain::{ConsumerKey, Timestamp};
use tokio::sync::oneshot;

use crate::notifiers::Notifiers;
use crate::sql::write_batch::WriteBatch;

/// The reply to a call.
pub(crate) type ConsumerReply<T> = oneshot::Sender<Result<T, ConsumerError>>;

/// The outcome of an operation, and whether it wakes the watchers of its consumer.
pub(crate) type Executed<T> = Result<(T, bool), ConsumerError>;

/// A call that waits for its group.
pub(crate) trait BatchedConsumerCall: Send {
    /// True if the caller dropped its receiver.
    fn is_abandoned(&self) -> bool;

    /// True if the call changes nothing but what the time has changed already: the end of expired leases. Its
    /// outcome is true whether that is committed or not.
    fn is_read(&self) -> bool;

    /// True if the reply must wait for the sync. A lost grant of a lease is only a redelivery.
    fn is_durable(&self) -> bool;

    /// Executes the call in the open transaction and keeps the outcome. It may be called again
    /// after the transaction was rolled back.
    fn execute(&mut self, batch: &mut WriteBatch<'_>, now: Timestamp) -> rusqlite::Result<()>;

    /// Wakes the watchers and sends the outcome, which is committed.
    fn reply(self: Box<Self>, notifiers: &Notifiers);

    /// Sends an error: nothing was committed.
    fn fail(self: Box<Self>, error: StoreError);
}

/// A [`BatchedConsumerCall`] made of a closure.
pub(crate) struct ClosureCall<T, F> {
    key: Option<ConsumerKey>,
    run: F,
    is_read: bool,
    is_volatile: bool,
    changes_webhooks: bool,
    outcome: Option<Executed<T>>,
    reply: ConsumerReply<T>,
}

impl<T, F> ClosureCall<T, F>
where
    T: Send + 'static,
    F: FnMut(&mut WriteBatch<'_>, Timestamp) -> rusqlite::Result<Executed<T>> + Send + 'static,
{
    /// A call of `run`; `key` names the consumer whose watchers it may wake.
    pub(crate) fn new(key: Option<ConsumerKey>, run: F, reply: ConsumerReply<T>) -> Self {
        Self {
            key,
            run,
            is_read: false,
            is_volatile: false,
            changes_webhooks: false,
            outcome: None,
            reply,
        }
    }

    /// Makes the call one that only reads.
    pub(crate) fn reading(mut self) -> Self {
        self.is_read = true;
        self
    }

    /// Makes the call one whose changes a power cut may undo.
    pub(crate) fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    /// Makes the call wake the subscriptions to the set of webhooks when it succeeds.
    pub(crate) fn changing_webhooks(mut self) -> Self {
        self.changes_webhooks = true;
        self
    }
}

impl<T, F> BatchedConsumerCall for ClosureCall<T, F>
where
    T: Send,
    F: FnMut(&mut WriteBatch<'_>, Timestamp) -> rusqlite::Result<Executed<T>> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn is_read(&self) -> bool {
        self.is_read
    }

    fn is_durable(&self) -> bool {
        !self.is_read && !self.is_volatile
    }

    fn execute(&mut self, batch: &mut WriteBatch<'_>, now: Timestamp) -> rusqlite::Result<()> {
        self.outcome = Some((self.run)(batch, now)?);
        Ok(())
    }

    fn reply(self: Box<Self>, notifiers: &Notifiers) {
        let outcome = match self.outcome {
            Some(Ok((value, wakes))) => {
                // Before the reply, so that a caller that has it finds the watchers woken.
                if let (true, Some(key)) = (wakes, &self.key) {
                    notifiers.consumers.notify(key);
                }
                if self.changes_webhooks {
                    notifiers.webhooks.notify();
                }
                Ok(value)
            }
            Some(Err(error)) => Err(error),
            None => Err(StoreError::Unavailable("the call was not executed".to_owned()).into()),
        };
        // The caller may have dropped its receiver.
        let _ = self.reply.send(outcome);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error.into()));
    }
}
