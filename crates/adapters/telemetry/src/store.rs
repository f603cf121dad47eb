//! A message store that measures what it is asked.

mod operation;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendError, Appended, Clock, MessageStore, Page, PageRequest, Pruned, RetentionPolicy,
    StoreError, Subscription, TopicPage, TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Topic};
use tracing::Instrument;

use crate::Metrics;
use crate::metrics::MessageCounters;
use operation::{Operation, Outcome};

/// A [`MessageStore`] around another one that feeds `app_store_operation_duration_seconds`,
/// `app_messages_accepted_total`, `app_messages_replayed_total` and `app_messages_pruned_total`, and
/// puts a span around each operation.
///
/// An operation that is dropped before it ends is not counted: nobody knows its outcome.
pub struct InstrumentedStore {
    inner: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    messages: MessageCounters,
    append: Operation,
    get: Operation,
    page: Operation,
    delete: Operation,
    topics: Operation,
    subscribe: Operation,
    prune: Operation,
    health: Operation,
}

impl InstrumentedStore {
    /// Measures what `inner` is asked.
    pub fn new(inner: Arc<dyn MessageStore>, metrics: &Metrics) -> Self {
        let operation = |name| Operation::new(name, metrics);
        Self {
            inner,
            clock: Arc::clone(metrics.clock()),
            messages: metrics.messages().clone(),
            append: operation("append"),
            get: operation("get"),
            page: operation("page"),
            delete: operation("delete"),
            topics: operation("topics"),
            subscribe: operation("subscribe"),
            prune: operation("prune"),
            health: operation("health"),
        }
    }

    /// Waits for `call` and measures it as `operation`.
    async fn measure<T>(
        &self,
        operation: &Operation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let start = self.clock.monotonic();
        let span = operation.span();
        let result = call.instrument(span.clone()).await;
        let outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::from(error),
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
                self.messages.replayed();
                Outcome::Replayed
            }
            Ok(Appended { receipt, .. }) => {
                self.messages.accepted(receipt);
                Outcome::Ok
            }
            Err(AppendError::KeyReused) => Outcome::KeyReused,
            Err(AppendError::Store(error)) => Outcome::from(error),
        };
        let duration = self.clock.monotonic().saturating_sub(start);
        self.append.observe(outcome, duration, &span);
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
