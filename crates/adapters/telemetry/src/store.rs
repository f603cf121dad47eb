//! Measures the operations of a message store.

mod operation;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, Clock, MessageStore, Page,
    PageRequest, Pruned, RetentionPolicy, StoreError, Subscription, TopicPage, TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Topic};
use tracing::Instrument;

use crate::Metrics;
use crate::metrics::MessageCounters;
use operation::{OperationHistograms, StoreOutcome};

/// A decorator of a [`MessageStore`]: it records `app_store_operation_duration_seconds`,
/// `app_messages_accepted_total`, `app_messages_replayed_total`, `app_messages_pruned_total` and a span for each
/// operation.
///
/// An operation whose future is dropped is not counted, as its outcome is unknown.
pub struct InstrumentedStore {
    inner: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    messages: MessageCounters,
    append: OperationHistograms,
    append_batch: OperationHistograms,
    get: OperationHistograms,
    page: OperationHistograms,
    delete: OperationHistograms,
    topics: OperationHistograms,
    subscribe: OperationHistograms,
    prune: OperationHistograms,
    health: OperationHistograms,
}

impl InstrumentedStore {
    /// Measures the operations of `inner`.
    pub fn new(inner: Arc<dyn MessageStore>, metrics: &Metrics) -> Self {
        let operation = |name| OperationHistograms::new(name, metrics);
        Self {
            inner,
            clock: Arc::clone(metrics.clock()),
            messages: metrics.messages().clone(),
            append: operation("append"),
            append_batch: operation("append_batch"),
            get: operation("get"),
            page: operation("page"),
            delete: operation("delete"),
            topics: operation("topics"),
            subscribe: operation("subscribe"),
            prune: operation("prune"),
            health: operation("health"),
        }
    }

    /// Awaits `call` and measures it as `operation`.
    async fn measure<T>(
        &self,
        operation: &OperationHistograms,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let start = self.clock.monotonic();
        let span = operation.span();
        let result = call.instrument(span.clone()).await;
        let outcome = match &result {
            Ok(_) => StoreOutcome::Ok,
            Err(error) => StoreOutcome::from(error),
        };
        let duration = self.clock.monotonic().saturating_sub(start);
        operation.observe(outcome, duration, &span);
        result
    }
}

#[async_trait]
impl MessageStore for InstrumentedStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let start = self.clock.monotonic();
        let span = self.append.span();
        let result = self.inner.append(append).instrument(span.clone()).await;
        let outcome = match &result {
            Ok(Appended { replayed: true, .. }) => {
                self.messages.replayed(1);
                StoreOutcome::Replayed
            }
            Ok(Appended { receipt, .. }) => {
                self.messages.accepted(receipt, 1);
                StoreOutcome::Ok
            }
            Err(AppendError::KeyReused) => StoreOutcome::KeyReused,
            Err(AppendError::Store(error)) => StoreOutcome::from(error),
        };
        let duration = self.clock.monotonic().saturating_sub(start);
        self.append.observe(outcome, duration, &span);
        result
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        let start = self.clock.monotonic();
        let span = self.append_batch.span();
        let call = self.inner.append_batch(append);
        let result = call.instrument(span.clone()).await;
        let outcome = match &result {
            Ok(appended) if appended.replayed => {
                self.messages.replayed(appended.count);
                StoreOutcome::Replayed
            }
            Ok(appended) => {
                self.messages.accepted(&appended.first, appended.count);
                StoreOutcome::Ok
            }
            Err(AppendError::KeyReused) => StoreOutcome::KeyReused,
            Err(AppendError::Store(error)) => StoreOutcome::from(error),
        };
        let duration = self.clock.monotonic().saturating_sub(start);
        self.append_batch.observe(outcome, duration, &span);
        result
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        self.measure(&self.get, self.inner.get(topic, id)).await
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.measure(&self.page, self.inner.page(topic, request))
            .await
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.measure(&self.delete, self.inner.delete(topic, id))
            .await
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.measure(&self.topics, self.inner.topics(request)).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        self.measure(&self.subscribe, self.inner.subscribe(topic))
            .await
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        let result = self
            .measure(&self.prune, self.inner.prune(policy, budget))
            .await;
        if let Ok(pruned) = &result {
            self.messages.pruned(pruned.removed);
        }
        result
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.measure(&self.health, self.inner.health()).await
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl fmt::Debug for InstrumentedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedStore").finish_non_exhaustive()
    }
}
