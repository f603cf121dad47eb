//! Measures the operations of a message store.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, MessageStore, Page,
    PageRequest, Pruned, RetentionPolicy, StoreError, StoreUsage, Subscription, TopicPage,
    TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Timestamp, Topic};

use crate::Metrics;
use crate::metrics::MessageCounters;
use crate::operation::{OperationHistograms, StoreOutcome};

/// A decorator of a [`MessageStore`]: it records `app_store_operation_duration_seconds`,
/// `app_messages_accepted_total`, `app_messages_replayed_total`, `app_messages_pruned_total`,
/// `app_store_clock_ahead_seconds`, `app_store_unreadable_records_total`, `app_store_topics`,
/// `app_store_bytes`, `app_store_info` and a span for each operation. It logs each
/// damaged message once.
///
/// An operation whose future is dropped is not counted, as its outcome is unknown.
pub struct InstrumentedStore {
    inner: Arc<dyn MessageStore>,
    messages: MessageCounters,
    append: OperationHistograms,
    append_batch: OperationHistograms,
    get: OperationHistograms,
    page: OperationHistograms,
    delete: OperationHistograms,
    delete_before: OperationHistograms,
    topics: OperationHistograms,
    subscribe: OperationHistograms,
    prune: OperationHistograms,
    usage: OperationHistograms,
    health: OperationHistograms,
}

impl InstrumentedStore {
    /// Measures the operations of `inner`.
    pub fn new(inner: Arc<dyn MessageStore>, metrics: &Metrics) -> Self {
        let operation = |name| OperationHistograms::new(name, metrics);
        Self {
            inner,
            messages: metrics.messages().clone(),
            append: operation("append"),
            append_batch: operation("append_batch"),
            get: operation("get"),
            page: operation("page"),
            delete: operation("delete"),
            delete_before: operation("delete_before"),
            topics: operation("topics"),
            subscribe: operation("subscribe"),
            prune: operation("prune"),
            usage: operation("usage"),
            health: operation("health"),
        }
    }
}

#[async_trait]
impl MessageStore for InstrumentedStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let outcome = |result: &Result<Appended, AppendError>| {
            append_outcome(result, |appended| appended.replayed)
        };
        let call = self.inner.append(append);
        let result = self.append.measure_as(outcome, call).await;
        match &result {
            Ok(Appended { replayed: true, .. }) => self.messages.replayed(1),
            Ok(Appended { receipt, .. }) => self.messages.accepted(receipt, 1),
            Err(_) => {}
        }
        result
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        let outcome = |result: &Result<AppendedBatch, AppendError>| {
            append_outcome(result, |appended| appended.replayed)
        };
        let call = self.inner.append_batch(append);
        let result = self.append_batch.measure_as(outcome, call).await;
        match &result {
            Ok(appended) if appended.replayed => self.messages.replayed(appended.count),
            Ok(appended) => self.messages.accepted(&appended.first, appended.count),
            Err(_) => {}
        }
        result
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        let result = self.get.measure(self.inner.get(topic, id)).await;
        if let Err(StoreError::Corrupt(_)) = &result {
            self.messages.unreadable(topic, &[id]);
        }
        result
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        let result = self.page.measure(self.inner.page(topic, request)).await;
        if let Ok(page) = &result {
            self.messages.unreadable(topic, &page.unreadable);
        }
        result
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.delete.measure(self.inner.delete(topic, id)).await
    }

    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        let call = self.inner.delete_before(topic, before, limit);
        self.delete_before.measure(call).await
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.topics.measure(self.inner.topics(request)).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        self.subscribe.measure(self.inner.subscribe(topic)).await
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        let result = self.prune.measure(self.inner.prune(policy, budget)).await;
        if let Ok(pruned) = &result {
            self.messages.pruned(pruned);
        }
        result
    }

    /// Not measured: it reads a clock.
    async fn now(&self, topic: &Topic) -> Result<Timestamp, StoreError> {
        self.inner.now(topic).await
    }

    async fn usage(&self) -> Result<StoreUsage, StoreError> {
        let result = self.usage.measure(self.inner.usage()).await;
        if let Ok(usage) = &result {
            self.messages.usage(usage);
        }
        result
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.health.measure(self.inner.health()).await
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn leave_request_threads(&self) {
        self.inner.leave_request_threads().await;
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn append_outcome<T>(
    result: &Result<T, AppendError>,
    is_replayed: impl FnOnce(&T) -> bool,
) -> StoreOutcome {
    match result {
        Ok(appended) if is_replayed(appended) => StoreOutcome::Replayed,
        Ok(_) => StoreOutcome::Ok,
        Err(AppendError::KeyReused) => StoreOutcome::KeyReused,
        Err(AppendError::TooManyTopics | AppendError::TooLarge) => StoreOutcome::Rejected,
        Err(AppendError::Store(error)) => StoreOutcome::from(error),
    }
}

impl fmt::Debug for InstrumentedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedStore").finish_non_exhaustive()
    }
}
