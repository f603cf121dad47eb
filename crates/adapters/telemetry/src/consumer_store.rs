//! Measures the operations of a store of consumers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, ConsumerStore, DeadLetterPage,
    DeadLetterRequest, LeaseUpdate, LeasesUpdated, PageLimit, Precondition, PullRequest,
    PulledLeases, PutConsumer, Redriven, StoreError, Subscription,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId, Topic,
};

use crate::Metrics;
use crate::metrics::{MessageCounters, SettledCounters};
use crate::operation::OperationHistograms;

/// A decorator of a [`ConsumerStore`]: it records `app_store_operation_duration_seconds`,
/// `app_consumer_settled_total`, `app_store_unreadable_records_total` and a span for each operation. It
/// logs each damaged message once.
///
/// An operation whose future is dropped is not counted, as its outcome is unknown.
pub struct InstrumentedConsumerStore {
    inner: Arc<dyn ConsumerStore>,
    settled: SettledCounters,
    messages: MessageCounters,
    put: OperationHistograms,
    status: OperationHistograms,
    list: OperationHistograms,
    deliveries: OperationHistograms,
    topics: OperationHistograms,
    delete: OperationHistograms,
    pull: OperationHistograms,
    ack: OperationHistograms,
    nack: OperationHistograms,
    extend: OperationHistograms,
    release: OperationHistograms,
    give_back: OperationHistograms,
    seek: OperationHistograms,
    dead_letters: OperationHistograms,
    redrive: OperationHistograms,
    delete_dead_letter: OperationHistograms,
    watch: OperationHistograms,
}

impl InstrumentedConsumerStore {
    /// Measures the operations of `inner`.
    pub fn new(inner: Arc<dyn ConsumerStore>, metrics: &Metrics) -> Self {
        let operation = |name| OperationHistograms::new(name, metrics);
        Self {
            inner,
            settled: metrics.settled().clone(),
            messages: metrics.messages().clone(),
            put: operation("consumer_put"),
            status: operation("consumer_status"),
            list: operation("consumer_list"),
            deliveries: operation("consumer_deliveries"),
            topics: operation("consumer_topics"),
            delete: operation("consumer_delete"),
            pull: operation("consumer_pull"),
            ack: operation("consumer_ack"),
            nack: operation("consumer_nack"),
            extend: operation("consumer_extend"),
            release: operation("consumer_release"),
            give_back: operation("consumer_give_back"),
            seek: operation("consumer_seek"),
            dead_letters: operation("consumer_dead_letters"),
            redrive: operation("consumer_redrive"),
            delete_dead_letter: operation("consumer_delete_dead_letter"),
            watch: operation("consumer_watch"),
        }
    }
}

#[async_trait]
impl ConsumerStore for InstrumentedConsumerStore {
    async fn put(&self, key: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        self.put.measure(self.inner.put(key, put)).await
    }

    async fn status(&self, key: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        self.status.measure(self.inner.status(key)).await
    }

    async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError> {
        self.list.measure(self.inner.list(topic, kind)).await
    }

    async fn deliveries(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        let call = self.inner.deliveries(topic, kind, id);
        self.deliveries.measure(call).await
    }

    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        let call = self.inner.topics_with_consumers(after, limit);
        self.topics.measure(call).await
    }

    async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError> {
        let call = self.inner.delete(key, precondition);
        self.delete.measure(call).await
    }

    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError> {
        let result = self.pull.measure(self.inner.pull(key, request)).await;
        if let Ok(pulled) = &result {
            self.messages.unreadable_of(key, &pulled.unreadable);
        }
        result
    }

    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        update: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        let (operation, settled) = match update {
            LeaseUpdate::Ack => (&self.ack, Some(self.settled.acked())),
            LeaseUpdate::Nack { .. } => (&self.nack, Some(self.settled.nacked())),
            LeaseUpdate::Extend(_) => (&self.extend, None),
            LeaseUpdate::Release => (&self.release, None),
        };
        let call = self.inner.update_leases(key, leases, update);
        let result = operation.measure(call).await;
        // A webhook's attempts have metrics of their own.
        let settled = settled.filter(|_| key.kind == ConsumerKind::Consumer);
        if let (Some(settled), Ok(updated)) = (settled, &result) {
            for valid in &updated.valid {
                if *valid {
                    settled
                } else {
                    self.settled.stale()
                }
                .inc();
            }
        }
        result
    }

    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError> {
        let call = self.inner.give_back(key, nonce);
        self.give_back.measure(call).await
    }

    async fn seek(
        &self,
        key: &ConsumerKey,
        to: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        self.seek.measure(self.inner.seek(key, to)).await
    }

    async fn dead_letters(
        &self,
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        let call = self.inner.dead_letters(key, request);
        let result = self.dead_letters.measure(call).await;
        if let Ok(page) = &result {
            self.messages.unreadable_of(key, &page.unreadable);
        }
        result
    }

    async fn redrive(
        &self,
        key: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<Redriven, ConsumerError> {
        self.redrive.measure(self.inner.redrive(key, ids)).await
    }

    async fn delete_dead_letter(
        &self,
        key: &ConsumerKey,
        id: MessageId,
    ) -> Result<bool, ConsumerError> {
        let call = self.inner.delete_dead_letter(key, id);
        self.delete_dead_letter.measure(call).await
    }

    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        self.watch.measure(self.inner.watch(key)).await
    }
}

impl fmt::Debug for InstrumentedConsumerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedConsumerStore")
            .finish_non_exhaustive()
    }
}
