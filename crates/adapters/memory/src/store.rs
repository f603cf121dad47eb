//! The `MessageStore` port in memory: fast, bounded, and lost with the process.

mod consumer_store;
mod consumers;
mod idempotency_keys;
mod prune_watermarks;
mod settings;
mod state;
mod topic_log;
mod webhook_store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, Clock,
    ConsumerNotifier, GuardedClock, MessageStore, Page, PageRequest, Pruned, RetentionPolicy,
    StoreError, StoreUsage, Subscription, TopicNotifier, TopicPage, TopicRequest, WebhookNotifier,
};
use posthorn_domain::{Durability, Message, MessageId, Timestamp, Topic};

pub use settings::MemoryStoreSettings;
use state::StoreState;

/// Stores messages in the memory of this process.
///
/// - When a bound is reached, the oldest message of all topics is removed for the new one. That is
///   retention: pages that miss it are `truncated`, the log says so once, and the next `prune` counts it. A message that is larger than the whole store
///   is rejected with [`StoreError::Full`].
/// - Idempotency keys expire after their TTL. The oldest key is removed earlier when there are as
///   many as the bound allows: a retry of that old a request is then stored again.
/// - One short lock guards everything: an append takes about a microsecond and nothing waits.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    guarded: GuardedClock,
    state: Mutex<StoreState>,
    notifier: Arc<TopicNotifier>,
    consumer_notifier: Arc<ConsumerNotifier>,
    webhook_notifier: Arc<WebhookNotifier>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, settings: MemoryStoreSettings) -> Self {
        Self {
            guarded: GuardedClock::new(Arc::clone(&clock), None),
            clock,
            state: Mutex::new(StoreState::new(settings)),
            notifier: Arc::default(),
            consumer_notifier: Arc::default(),
            webhook_notifier: Arc::default(),
        }
    }

    /// Runs `step` under the lock. If it frees the first of the entries that all consumers share, every consumer may have
    /// waited for it.
    fn step<T>(&self, step: impl FnOnce(&mut StoreState) -> T) -> Result<T, StoreError> {
        let mut state = self.open()?;
        let was_full = !state.has_free_entries();
        let outcome = step(&mut state);
        let is_freed = was_full && state.has_free_entries();
        drop(state);
        if is_freed {
            self.consumer_notifier.notify_all();
        }
        Ok(outcome)
    }

    /// The state of an open store. Callers never hold the lock over an await.
    fn open(&self) -> Result<MutexGuard<'_, StoreState>, StoreError> {
        let state = self.lock();
        if state.is_closed() {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, StoreState> {
        // No code under the lock panics; after a panic most of the state would still be right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (now, monotonic) = (self.guarded.bounds(), self.clock.monotonic());
        let appended = self.step(|state| state.append(append, now, monotonic))??;
        if !appended.replayed {
            let topic = appended.receipt.topic.as_str();
            self.notifier.notify([topic]);
            self.consumer_notifier.notify_topics([topic]);
        }
        Ok(appended)
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        let (now, monotonic) = (self.guarded.bounds(), self.clock.monotonic());
        let appended = self.step(|state| state.append_batch(append, now, monotonic))??;
        if !appended.replayed {
            let topic = appended.first.topic.as_str();
            self.notifier.notify([topic]);
            self.consumer_notifier.notify_topics([topic]);
        }
        Ok(appended)
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        Ok(self.open()?.get(topic, id))
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        Ok(self.open()?.page(topic, request))
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.step(|state| state.delete(topic, id, self.clock.now()))
    }

    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        self.step(|state| state.delete_before(topic, before, limit, self.clock.now()))
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        Ok(self.open()?.topics(&request))
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        let subscription = self.notifier.subscribe(topic);
        // Check after subscribing: `close` either wakes this subscription or is visible here.
        drop(self.open()?);
        Ok(Box::new(subscription))
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        let now = self.guarded.bounds();
        let more_keys = self
            .open()?
            .remove_expired_keys(self.clock.monotonic(), budget);
        let newest = self.open()?.last().timestamp();
        let mut pruned = Pruned {
            removed: self.open()?.take_evicted(),
            id_lead: newest.saturating_since(self.clock.now()),
            ..Pruned::default()
        };
        let (mut after, mut budget) = (None, budget);
        loop {
            // One step per lock, so that appends run in between.
            let step = self.step(|state| state.prune_step(policy, now, after.as_ref(), budget))?;
            budget = budget.saturating_sub(step.removed);
            let removed = u64::try_from(step.removed).unwrap_or(u64::MAX);
            pruned.removed = pruned.removed.saturating_add(removed);
            pruned.more = step.more;
            after = step.next;
            if pruned.more || after.is_none() {
                pruned.more |= more_keys;
                return Ok(pruned);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn now(&self, _: &Topic) -> Result<Timestamp, StoreError> {
        Ok(self.guarded.bounds().latest)
    }

    async fn usage(&self) -> Result<StoreUsage, StoreError> {
        Ok(self.open()?.usage())
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    async fn close(&self) {
        self.lock().close();
        self.notifier.close();
        self.consumer_notifier.close();
        self.webhook_notifier.close();
    }
}
