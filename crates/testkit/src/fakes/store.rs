//! A store of messages that fails on request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    Anchor, Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, Clock,
    GivenIds, GuardedClock, MessageStore, Page, PageRequest, Pruned, RetentionPolicy, StoreError,
    StoreIdentity, StoreUsage, Subscription, TopicPage, TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Receipt, Timestamp, Topic};
use tokio::sync::watch;

use super::script::Script;
use crate::fake_clock::FakeClock;
use crate::store_model::StoreModel;

/// A `MessageStore` over a model of a store that fails on request. Unbounded: for tests only.
#[derive(Debug)]
pub struct FakeStore {
    clock: Arc<FakeClock>,
    guarded: GuardedClock,
    script: Script<StoreError>,
    page_script: Script<StoreError>,
    pages: AtomicUsize,
    state: Mutex<FakeStoreState>,
    /// Changed by every append to any topic.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct FakeStoreState {
    model: StoreModel,
    /// The first id, with the number before it.
    start: Option<MessageId>,
    damaged: BTreeSet<MessageId>,
    last: Timestamp,
    sequence: u64,
    closed: bool,
}

impl Default for FakeStore {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl FakeStore {
    /// An empty store with the time of `clock`.
    pub fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            guarded: GuardedClock::new(Arc::clone(&clock) as Arc<dyn Clock>, None),
            clock,
            script: Script::default(),
            page_script: Script::default(),
            pages: AtomicUsize::new(0),
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Lets the next `count` operations fail with `error` and do nothing; `usize::MAX` for all, 0
    /// for none.
    pub fn fail_next(&self, count: usize, error: StoreError) {
        self.script.fail_next(count, error);
    }

    /// Lets the next `count` pages fail with `error`, and nothing else.
    pub fn fail_next_pages(&self, count: usize, error: StoreError) {
        self.page_script.fail_next(count, error);
    }

    /// The number of pages read so far.
    pub fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    /// Damages the message with this id, in any topic.
    pub fn damage(&self, id: MessageId) {
        self.state().damaged.insert(id);
    }

    /// True after `close`.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// The number of live subscriptions.
    pub fn subscribers(&self) -> usize {
        self.changes.receiver_count()
    }

    fn open(&self) -> Result<MutexGuard<'_, FakeStoreState>, StoreError> {
        self.script.play()?;
        let state = self.state();
        if state.closed {
            Err(StoreError::Unavailable("closed".to_owned()))
        } else {
            Ok(state)
        }
    }

    fn state(&self) -> MutexGuard<'_, FakeStoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeStoreState {
    /// Advances the time of the next ids.
    fn advance(&mut self, processed_at: Timestamp) {
        self.last = self.last.max(processed_at);
        let start = MessageId::new(self.last, self.sequence);
        self.start.get_or_insert(start);
    }

    fn page(&self, topic: &Topic, request: PageRequest) -> Page {
        let mut page = self.model.page(topic, request);
        if let Anchor::After(cursor) = request.anchor {
            let given = GivenIds {
                starts: self.start.as_slice(),
                newest: MessageId::new(self.last, self.sequence),
                before: None,
                after: page.first(),
            };
            page.truncated |= given.exclude(cursor);
        }
        let is_damaged = |message: &Arc<Message>| self.damaged.contains(&message.id);
        let (damaged, readable) = page.messages.into_iter().partition(is_damaged);
        let damaged: Vec<_> = damaged;
        page.messages = readable;
        page.unreadable = damaged.iter().map(|message| message.id).collect();
        page
    }

    fn append(
        &mut self,
        append: Append,
        processed_at: Timestamp,
        monotonic: Duration,
    ) -> Result<Appended, AppendError> {
        let Append {
            message,
            instance,
            idempotency,
        } = append;
        if let Some(idempotency) = &idempotency
            && let Some(receipt) = self.model.replay(&message.topic, idempotency, monotonic)?
        {
            return Ok(Appended {
                receipt,
                replayed: true,
            });
        }
        self.advance(processed_at);
        self.sequence += 1;
        let id = MessageId::new(self.last, self.sequence);
        let topic = message.topic.clone();
        let receipt = Receipt {
            id,
            topic,
            durability: Durability::Memory,
            instance,
            processed_at,
        };
        self.model.record(
            Arc::new(message.accepted_at(id, processed_at)),
            &receipt,
            idempotency,
            monotonic,
        );
        Ok(Appended {
            receipt,
            replayed: false,
        })
    }
}

impl FakeStoreState {
    fn append_batch(
        &mut self,
        append: AppendBatch,
        processed_at: Timestamp,
        monotonic: Duration,
    ) -> Result<AppendedBatch, AppendError> {
        let AppendBatch {
            topic,
            batch,
            instance,
            idempotency,
        } = append;
        let count = batch.len();
        let appended = |first, replayed| AppendedBatch {
            first,
            count,
            replayed,
        };
        if let Some(idempotency) = &idempotency
            && let Some(first) = self.model.replay(&topic, idempotency, monotonic)?
        {
            return Ok(appended(first, true));
        }
        self.advance(processed_at);
        let first = Receipt {
            id: MessageId::new(self.last, self.sequence + 1),
            topic: topic.clone(),
            durability: Durability::Memory,
            instance,
            processed_at,
        };
        let mut idempotency = idempotency;
        for message in batch.into_messages() {
            self.sequence += 1;
            let id = MessageId::new(self.last, self.sequence);
            let message = message.into_message(topic.clone());
            let message = message.accepted_at(id, processed_at);
            let idempotency = idempotency.take();
            self.model
                .record(Arc::new(message), &first, idempotency, monotonic);
        }
        Ok(appended(first, false))
    }
}

#[async_trait]
impl MessageStore for FakeStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (latest, monotonic) = (self.guarded.bounds().latest, self.clock.monotonic());
        let appended = self.open()?.append(append, latest, monotonic)?;
        self.changes.send_modify(|changes| *changes += 1);
        Ok(appended)
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        let (latest, monotonic) = (self.guarded.bounds().latest, self.clock.monotonic());
        let appended = self.open()?.append_batch(append, latest, monotonic)?;
        self.changes.send_modify(|changes| *changes += 1);
        Ok(appended)
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        let state = self.open()?;
        if state.damaged.contains(&id) {
            return Err(StoreError::Corrupt("damaged".to_owned()));
        }
        Ok(state.model.get(topic, id))
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.page_script.play()?;
        Ok(self.open()?.page(topic, request))
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        Ok(self.open()?.model.delete(topic, id))
    }

    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        Ok(self.open()?.model.delete_before(topic, before, limit))
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        Ok(self.open()?.model.topics(&request))
    }

    async fn subscribe(&self, _topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        let _open = self.open()?;
        Ok(Box::new(FakeSubscription(self.changes.subscribe())))
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        let now = self.guarded.bounds().earliest;
        let mut state = self.open()?;
        Ok(Pruned {
            id_lead: state.last.saturating_since(self.clock.now()),
            ..state.model.prune(policy, now, budget)
        })
    }

    async fn now(&self, _: &Topic) -> Result<Timestamp, StoreError> {
        drop(self.open()?);
        Ok(self.guarded.bounds().latest)
    }

    async fn usage(&self) -> Result<StoreUsage, StoreError> {
        Ok(StoreUsage {
            identity: Some(StoreIdentity::new(0xfa6e)),
            ..self.open()?.model.usage()
        })
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    async fn close(&self) {
        self.state().closed = true;
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// Wakes for every topic, which the contract allows.
struct FakeSubscription(watch::Receiver<u64>);

#[async_trait]
impl Subscription for FakeSubscription {
    async fn changed(&mut self) {
        // An error means that the store was dropped; the caller sees that on its next read.
        let _ = self.0.changed().await;
    }
}
