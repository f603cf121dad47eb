//! The `ConsumerStore` port in memory.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore, DeadLetterPage,
    DeadLetterRequest, LeaseUpdate, LeasesUpdated, PageLimit, Precondition, PullRequest,
    PulledLeases, PutConsumer, Redriven, StoreError, Subscription,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId, Topic,
};

use super::MemoryStore;
use super::consumers::{Consumers, StoreView};

impl MemoryStore {
    /// Runs `operation` on the consumers at the present time.
    pub(super) fn with_consumers<T, E: From<StoreError>>(
        &self,
        topic: &Topic,
        operation: impl FnOnce(&mut Consumers, StoreView<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // The clock is read under the lock, so that the times of steps have the order of the steps.
        self.step(|state| state.with_consumers(topic, self.clock.now(), operation))?
    }
}

#[async_trait]
impl ConsumerStore for MemoryStore {
    async fn put(&self, key: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        let outcome = self.with_consumers(&key.topic, |consumers, at| consumers.put(key, put, at));
        self.consumer_notifier.notify(key);
        outcome
    }

    async fn status(&self, key: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        self.with_consumers(&key.topic, |consumers, at| consumers.status(key, at))
    }

    async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError> {
        self.with_consumers(topic, |consumers, at| Ok(consumers.list(topic, kind, at)))
    }

    async fn deliveries(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        self.with_consumers(topic, |consumers, at| {
            Ok(consumers.deliveries(topic, kind, id, at))
        })
    }

    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        Ok(self.open()?.topics_with_consumers(after, limit.get()))
    }

    async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError> {
        let outcome = self.with_consumers(&key.topic, |consumers, _| {
            consumers.delete(key, precondition)
        });
        self.consumer_notifier.notify(key);
        if key.kind == ConsumerKind::Webhook {
            self.webhook_notifier.notify();
        }
        outcome
    }

    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError> {
        self.with_consumers(&key.topic, |consumers, at| {
            consumers.update(key, at, |consumer, step| consumer.pull(request, step))
        })
    }

    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        update: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        let (updated, frees) = self.with_consumers(&key.topic, |consumers, at| {
            consumers.update(key, at, |consumer, step| {
                let was_at_limit = consumer.is_at_limit(step);
                let before = consumer.next_change(step.now);
                let updated = consumer.update_leases(leases, &update, step);
                let frees = match update {
                    LeaseUpdate::Ack => was_at_limit,
                    LeaseUpdate::Nack { .. } | LeaseUpdate::Release => true,
                    // A shorter lease may end before everything that was announced.
                    LeaseUpdate::Extend(_) => consumer.next_change(step.now) < before,
                };
                (updated, frees)
            })
        })?;
        if frees {
            self.consumer_notifier.notify(key);
        }
        Ok(updated)
    }

    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError> {
        self.with_consumers(&key.topic, |consumers, at| {
            consumers.update(key, at, |consumer, step| {
                consumer.give_back(nonce, step.now);
            })
        })?;
        self.consumer_notifier.notify(key);
        Ok(())
    }

    async fn seek(
        &self,
        key: &ConsumerKey,
        to: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        let outcome = self.with_consumers(&key.topic, |consumers, at| consumers.seek(key, to, at));
        self.consumer_notifier.notify(key);
        outcome
    }

    async fn dead_letters(
        &self,
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        self.with_consumers(&key.topic, |consumers, at| {
            consumers.update(key, at, |consumer, _| consumer.dead_letters(request))
        })
    }

    async fn redrive(
        &self,
        key: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<Redriven, ConsumerError> {
        let outcome = self.with_consumers(&key.topic, |consumers, at| {
            consumers.update(key, at, |consumer, step| consumer.redrive(ids, step))
        });
        self.consumer_notifier.notify(key);
        outcome
    }

    async fn delete_dead_letter(
        &self,
        key: &ConsumerKey,
        id: MessageId,
    ) -> Result<bool, ConsumerError> {
        self.with_consumers(&key.topic, |consumers, at| {
            consumers.update(key, at, |consumer, _| consumer.delete_dead_letter(id))
        })
    }

    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        let subscription = self.consumer_notifier.subscribe(key);
        // Looked at afterwards, so that `close` and `delete` either wake it or are seen here.
        self.status(key).await?;
        Ok(Box::new(subscription))
    }
}
