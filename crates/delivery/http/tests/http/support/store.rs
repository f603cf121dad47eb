//! A store that hangs or panics on demand, around the fake that fails on demand.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, BulkDeletion, MessageStore, Page,
    PageRequest, Pruned, RetentionPolicy, StoreError, StoreUsage, Subscription, TopicPage,
    TopicRequest,
};
use posthorn_domain::{Durability, Message, MessageId, Timestamp, Topic};
use posthorn_testkit::FakeStore;
use tokio::sync::watch;

/// The behaviour of an operation before it is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    #[default]
    PassOn,
    /// Waits until the behaviour changes.
    Hang,
    /// Panics.
    Panic,
}

pub(crate) struct TestStore {
    inner: Arc<FakeStore>,
    behaviour: watch::Sender<Behaviour>,
    asked: Mutex<usize>,
    failing_pages: Mutex<usize>,
}

impl TestStore {
    pub(crate) fn new(inner: Arc<FakeStore>) -> Self {
        let behaviour = watch::Sender::new(Behaviour::PassOn);
        Self {
            inner,
            behaviour,
            asked: Mutex::default(),
            failing_pages: Mutex::default(),
        }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Makes the next `count` pages fail.
    pub(crate) fn fail_pages(&self, count: usize) {
        *self.failing_pages.lock().unwrap() = count;
    }

    /// The number of pages that will fail.
    pub(crate) fn failing_pages(&self) -> usize {
        *self.failing_pages.lock().unwrap()
    }

    /// The number of operations, including those that hang.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    async fn enter(&self) -> &FakeStore {
        *self.asked.lock().unwrap() += 1;
        let mut behaviour = self.behaviour.subscribe();
        let behaviour = *behaviour
            .wait_for(|behaviour| *behaviour != Behaviour::Hang)
            .await
            .unwrap();
        assert!(behaviour != Behaviour::Panic, "the store panics on order");
        &self.inner
    }
}

#[async_trait]
impl MessageStore for TestStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.enter().await.append(append).await
    }

    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError> {
        self.enter().await.append_batch(append).await
    }

    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError> {
        self.enter().await.get(topic, id).await
    }

    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError> {
        let inner = self.enter().await;
        {
            let mut failing = self.failing_pages.lock().unwrap();
            if *failing > 0 {
                *failing -= 1;
                return Err(StoreError::Unavailable("a page fails on order".to_owned()));
            }
        }
        inner.page(topic, request).await
    }

    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError> {
        self.enter().await.delete(topic, id).await
    }

    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError> {
        let inner = self.enter().await;
        inner.delete_before(topic, before, limit).await
    }

    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError> {
        self.enter().await.topics(request).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError> {
        self.enter().await.subscribe(topic).await
    }

    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError> {
        self.inner.prune(policy, budget).await
    }

    async fn now(&self, topic: &Topic) -> Result<Timestamp, StoreError> {
        self.enter().await.now(topic).await
    }

    async fn usage(&self) -> Result<StoreUsage, StoreError> {
        self.enter().await.usage().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.enter().await.health().await
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
