//! The `MessageStore` port in memory: fast, bounded, and gone with the process.

mod keys;
mod marks;
mod state;
mod topic_log;
mod wakers;
mod weight;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendError, Appended, Clock, MessageStore, Page, PageRequest, Pruned, RetentionPolicy,
    StoreError, Subscription, TopicPage, TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Topic};

use state::State;
use wakers::{MemorySubscription, Wakers};

/// The bounds of a [`MemoryStore`]. Each of them is kept at every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStoreSettings {
    /// The most messages in all topics together. 100,000 by default.
    pub max_messages: usize,
    /// About how many bytes the messages of all topics take at most, bookkeeping included. 64 MiB
    /// by default.
    pub max_bytes: usize,
    /// The most idempotency keys that are remembered. 100,000 by default; each takes about half a
    /// kilobyte, and up to 255 bytes more for a long key.
    pub max_idempotency_keys: usize,
}

impl Default for MemoryStoreSettings {
    fn default() -> Self {
        Self {
            max_messages: 100_000,
            max_bytes: 64 << 20,
            max_idempotency_keys: 100_000,
        }
    }
}

/// Keeps messages in the memory of this process.
///
/// - When a bound is reached, the oldest message of all topics makes room for the new one. That is
///   retention: pages that miss it are `truncated`. A message that is larger than the whole store
///   is refused as [`StoreError::Full`].
/// - Idempotency keys are forgotten after their TTL, and the oldest one before that when there are
///   as many as the bound allows: a retry of that old a request is then stored again.
/// - One short lock guards everything, so an append takes about a microsecond and nothing waits.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    wakers: Arc<Wakers>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, settings: MemoryStoreSettings) -> Self {
        Self {
            clock,
            state: Mutex::new(State::new(settings)),
            wakers: Arc::default(),
        }
    }

    /// The state of an open store. No lock is held over an await.
    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        if state.is_closed() {
            Err(closed())
        } else {
            Ok(state)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock panics; if it did, most of the state would be right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let appended = self.open()?.append(append, now, monotonic)?;
        if !appended.replayed {
            self.wakers.wake(&appended.receipt.topic);
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
        Ok(self.open()?.delete(topic, id))
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        Ok(self.open()?.topics(&request))
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        let subscription = MemorySubscription::new(topic.clone(), Arc::clone(&self.wakers));
        // Looked at afterwards, so that `close` either ends this subscription or is seen here.
        drop(self.open()?);
        Ok(Box::new(subscription))
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        let now = self.clock.now();
        let more_keys = self.open()?.forget_keys(self.clock.monotonic(), budget);
        let (mut pruned, mut from, mut budget) = (Pruned::default(), None, budget);
        loop {
            let step = self.open()?.prune_some(policy, now, from.as_ref(), budget);
            budget = budget.saturating_sub(step.removed);
            pruned.removed = pruned
                .removed
                .saturating_add(u64::try_from(step.removed).unwrap_or(u64::MAX));
            pruned.more = step.more;
            from = step.next;
            if pruned.more || from.is_none() {
                pruned.more |= more_keys;
                return Ok(pruned);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    async fn close(&self) {
        self.lock().close();
        self.wakers.clear();
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
