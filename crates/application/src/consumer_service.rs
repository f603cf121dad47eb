//! Working off a topic: consumers, their leases, and pulls that wait.

mod lease_return;
mod settings_tag;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerPosition, ConsumerSettings, FailureReason,
    LeaseBatch, LeaseDuration, LeaseNonce, LeaseToken, Message, MessageId, PullLimit, PullWait,
    RedeliveryDelay, Timestamp, Topic,
};

use crate::ports::clock::Clock;
use crate::ports::consumer_store::{
    ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore, DeadLetterPage,
    DeadLetterRequest, LeaseUpdate, LeasesUpdated, Precondition, PullRequest, PulledLeases,
    PutConsumer, Redrive, Redriven,
};
use crate::ports::message_store::{PageLimit, StoreError};
use crate::ports::random::RandomSource;
use lease_return::LeaseReturns;
use waiting::{Turn, WaitQueues};

pub use lease_return::DeliveryGuard;
pub(crate) use lease_return::give_back;

/// How long giving leases back is tried while the store fails. Longer leases end at their time.
const RETURN_TIME: Duration = Duration::from_secs(30);
/// The most pulls whose leases are given back at once.
const MAX_RETURNING: usize = 64;

/// The use cases of consumers.
pub struct ConsumerService {
    store: Arc<dyn ConsumerStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    queues: WaitQueues,
    returns: Arc<LeaseReturns>,
}

/// What a worker asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullMessages {
    /// The most messages.
    pub limit: PullLimit,
    /// How long to wait for the first message.
    pub wait: PullWait,
    /// How long the leases hold; `None` for the lease duration of the consumer.
    pub lease: Option<LeaseDuration>,
}

/// The messages of a pull, on their way to the worker.
#[derive(Debug)]
pub struct Pulled {
    /// The messages, in the order of hand-out.
    pub messages: Vec<LeasedDelivery>,
    /// Gives the leases back when it is dropped before the worker has them.
    pub guard: DeliveryGuard,
}

/// A message under a lease, as the worker gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedDelivery {
    /// The message.
    pub message: Arc<Message>,
    /// Proves the lease.
    pub lease: LeaseToken,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The end of the lease, by the store's clock.
    pub expires_at: Timestamp,
}

/// The outcome of an acknowledgement, a rejection or an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How many leases were valid.
    pub settled: usize,
    /// The texts that are no token of a valid lease, in the order of the call.
    pub stale: Vec<String>,
    /// For an extension of at least one valid lease: the new end of the valid leases, by the store's clock.
    pub expires_at: Option<Timestamp>,
}

impl ConsumerService {
    /// Works on `store`. Something has to run [`ConsumerService::return_undelivered`].
    pub fn new(
        store: Arc<dyn ConsumerStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn RandomSource>,
    ) -> Self {
        Self {
            store,
            clock,
            random,
            queues: WaitQueues::default(),
            returns: Arc::default(),
        }
    }

    /// Creates the consumer, or replaces its settings; `start` counts only at creation.
    ///
    /// # Errors
    /// As [`ConsumerStore::put`].
    pub async fn put(
        &self,
        key: &ConsumerKey,
        settings: ConsumerSettings,
        start: ConsumerPosition,
        precondition: Precondition,
    ) -> Result<ConsumerPut, ConsumerError> {
        let put = PutConsumer {
            tag: settings_tag::of(&settings),
            settings,
            start,
            precondition,
        };
        self.store.put(key, put).await
    }

    /// Settings and counts.
    pub async fn get(&self, key: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        self.store.status(key).await
    }

    /// The consumers of `topic` of this kind, by name; at most 64.
    pub async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError> {
        self.store.list(topic, kind).await
    }

    /// The state of one message at each consumer of `topic` of this kind, by name; at most 64.
    pub async fn deliveries(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        self.store.deliveries(topic, kind, id).await
    }

    /// The topics after `after` that have a consumer, in the order of their names.
    pub async fn topics(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        self.store.topics_with_consumers(after, limit).await
    }

    /// Removes the consumer with its leases and dead letters.
    pub async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError> {
        self.store.delete(key, precondition).await
    }

    /// Leases messages; waits for the first one up to `pull.wait`. Returns none when nothing is due in time, or after
    /// [`ConsumerService::stop_waiting`].
    ///
    /// Safe to drop at any moment: leases that the caller did not get are given back.
    ///
    /// # Errors
    /// [`ConsumerError::NotFound`], also when the consumer is deleted during the wait.
    pub async fn pull(
        &self,
        key: &ConsumerKey,
        pull: PullMessages,
    ) -> Result<Pulled, ConsumerError> {
        let wait = pull.wait.get();
        // A pull that may wait is in line behind those that wait already.
        if wait.is_zero() || !self.queues.is_waited_for(key) {
            let (pulled, _) = self.pull_once(key, pull).await?;
            if wait.is_zero() || !pulled.messages.is_empty() {
                return Ok(pulled);
            }
        }
        let mut deadline = self.clock.sleep(wait);
        let Some(mut waiter) = self.queues.enter(key) else {
            return Ok(self.nothing(key));
        };
        loop {
            let turn = waiter.next_turn(&*self.store, &*self.clock, &mut deadline);
            match turn.await? {
                Turn::End => return Ok(self.nothing(key)),
                Turn::Pull => {
                    // An error or a drop in here passes the turn on.
                    let (pulled, more) = self.pull_once(key, pull).await?;
                    if pulled.messages.is_empty() {
                        waiter.wait_on();
                    } else {
                        waiter.leave(more);
                        return Ok(pulled);
                    }
                }
            }
        }
    }

    /// Settles messages for good.
    pub async fn ack(
        &self,
        key: &ConsumerKey,
        leases: LeaseBatch,
    ) -> Result<Settled, ConsumerError> {
        self.update(key, leases, LeaseUpdate::Ack).await
    }

    /// Gives messages back as failed: each is due after `delay` (else the consumer's backoff), or dead after its last
    /// attempt.
    pub async fn nack(
        &self,
        key: &ConsumerKey,
        leases: LeaseBatch,
        delay: Option<RedeliveryDelay>,
        reason: Option<FailureReason>,
    ) -> Result<Settled, ConsumerError> {
        let delay = delay.map(RedeliveryDelay::get);
        self.update(key, leases, LeaseUpdate::Nack { delay, reason })
            .await
    }

    /// Lets leases hold from now for `lease`, or for the lease duration of the consumer.
    pub async fn extend(
        &self,
        key: &ConsumerKey,
        leases: LeaseBatch,
        lease: Option<LeaseDuration>,
    ) -> Result<Settled, ConsumerError> {
        self.update(key, leases, LeaseUpdate::Extend(lease)).await
    }

    /// Moves the position: what lies after it is handed out, with attempts from 1.
    pub async fn seek(
        &self,
        key: &ConsumerKey,
        to: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        self.store.seek(key, to).await
    }

    /// A page of dead letters.
    pub async fn dead_letters(
        &self,
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        self.store.dead_letters(key, request).await
    }

    /// Makes dead letters wait again: those that can be read. A damaged one stays, as its operator may still use it.
    pub async fn redrive(
        &self,
        key: &ConsumerKey,
        redrive: &Redrive,
    ) -> Result<Redriven, ConsumerError> {
        match redrive {
            Redrive::Ids(ids) => self.store.redrive(key, ids).await,
            Redrive::All => {
                let ids = self.readable_dead_letters(key).await?;
                let mut redriven = self.store.redrive(key, &ids).await?;
                // Another call took these in between.
                redriven.unknown.clear();
                Ok(redriven)
            }
        }
    }

    /// Removes a dead letter; returns whether it was there.
    pub async fn delete_dead_letter(
        &self,
        key: &ConsumerKey,
        id: MessageId,
    ) -> Result<bool, ConsumerError> {
        self.store.delete_dead_letter(key, id).await
    }

    /// Ends all waiting pulls, and those that come, with what is due at once.
    pub fn stop_waiting(&self) {
        self.queues.stop();
    }

    /// Gives back the leases of callers that are gone, for ever. The binary runs it once. Others end at their time.
    pub async fn return_undelivered(&self) {
        let returns = stream::unfold((), |()| async { Some((self.returns.next().await, ())) });
        // Not one by one: the workers of a host that died leave many pulls, and each waits for the store.
        let returning = returns.for_each_concurrent(MAX_RETURNING, async |(key, nonce)| {
            let until = self.clock.monotonic().saturating_add(RETURN_TIME);
            give_back(&*self.store, &*self.clock, (&key, nonce), until).await;
            self.returns.ended();
        });
        returning.await;
    }

    /// Waits until [`ConsumerService::return_undelivered`] has given back the leases of all callers that are gone.
    pub async fn all_returned(&self) {
        self.returns.all_ended().await;
    }

    /// The ids of the first dead letters that can be read, at most [`Redrive::MAX`].
    async fn readable_dead_letters(
        &self,
        key: &ConsumerKey,
    ) -> Result<Vec<MessageId>, ConsumerError> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let limit = PageLimit::MAX;
            let request = DeadLetterRequest { after, limit };
            let page = self.store.dead_letters(key, request).await?;
            ids.extend(page.letters.iter().map(|letter| letter.message.id));
            after = page.last_id();
            if ids.len() >= Redrive::MAX || !page.has_more || after.is_none() {
                ids.truncate(Redrive::MAX);
                return Ok(ids);
            }
        }
    }

    /// One pull without a wait, and whether more is due.
    async fn pull_once(
        &self,
        key: &ConsumerKey,
        pull: PullMessages,
    ) -> Result<(Pulled, bool), ConsumerError> {
        let nonce = LeaseNonce::from_bits(self.random.bits());
        // Armed before the store is asked: a call that is dropped may still grant leases.
        let mut guard = DeliveryGuard::new(&self.returns, key, nonce);
        let request = PullRequest {
            limit: pull.limit,
            lease: pull.lease,
            nonce,
        };
        let outcome = self.store.pull(key, request).await;
        let PulledLeases {
            messages,
            more,
            next_due,
            unreadable: _,
        } = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                // Only a failing store may have granted leases all the same.
                if !matches!(error, ConsumerError::Store(_)) {
                    guard.disarm();
                }
                return Err(error);
            }
        };
        if messages.is_empty() {
            guard.disarm();
        }
        if let Some(next_due) = next_due {
            let due = self.clock.monotonic().saturating_add(next_due);
            self.queues.expect_due(key, due);
        }
        let messages = messages.into_iter().map(|leased| LeasedDelivery {
            lease: leased.token(nonce),
            message: leased.message,
            attempt: leased.attempt,
            expires_at: leased.expires_at,
        });
        let messages = messages.collect();
        Ok((Pulled { messages, guard }, more))
    }

    async fn update(
        &self,
        key: &ConsumerKey,
        leases: LeaseBatch,
        update: LeaseUpdate,
    ) -> Result<Settled, ConsumerError> {
        let tokens = leases.tokens();
        let updated = self.store.update_leases(key, &tokens, update).await?;
        let LeasesUpdated { valid, expires_at } = updated;
        let settled = valid.iter().filter(|valid| **valid).count();
        Ok(Settled {
            settled,
            stale: leases.into_stale(&valid),
            expires_at: expires_at.filter(|_| settled > 0),
        })
    }

    fn nothing(&self, key: &ConsumerKey) -> Pulled {
        let mut guard = DeliveryGuard::new(&self.returns, key, LeaseNonce::from_bits(0));
        guard.disarm();
        Pulled {
            messages: Vec::new(),
            guard,
        }
    }
}
