//! One consumer over a memory store, with a fake clock.

use std::sync::Arc;

use posthorn_application::{
    ConsumerError, ConsumerService, MessageStore, Precondition, PullMessages, Pulled,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerOptions, ConsumerPosition, ConsumerSettings,
    LeaseBatch, PullLimit, PullWait,
};
use posthorn_memory::{MemoryStore, MemoryStoreSettings};
use posthorn_testkit::{FakeClock, FakeRandom, samples};
use tokio::task::JoinHandle;

pub(crate) type Outcome = Result<Pulled, ConsumerError>;

pub(crate) struct Case {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) service: Arc<ConsumerService>,
    pub(crate) key: ConsumerKey,
}

impl Case {
    pub(crate) async fn new(options: ConsumerOptions) -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryStoreSettings::default());
        let store = Arc::new(store);
        let random = Arc::new(FakeRandom::default());
        let service = ConsumerService::new(store.clone(), clock.clone(), random);
        let case = Self {
            clock,
            store,
            service: Arc::new(service),
            key: ConsumerKey {
                topic: samples::topic("work"),
                kind: ConsumerKind::Consumer,
                name: ConsumerName::parse("c").unwrap(),
            },
        };
        case.put(options).await;
        let service = case.service.clone();
        tokio::spawn(async move { service.return_undelivered().await });
        case
    }

    pub(crate) async fn with_defaults() -> Self {
        Self::new(ConsumerOptions::default()).await
    }

    pub(crate) async fn put(&self, options: ConsumerOptions) {
        let settings = ConsumerSettings::parse(&options).unwrap();
        let (start, any) = (ConsumerPosition::Oldest, Precondition::None);
        let put = self.service.put(&self.key, settings, start, any).await;
        put.unwrap();
    }

    pub(crate) async fn append(&self, text: &str) {
        let append = samples::append(&self.key.topic, text);
        self.store.append(append).await.unwrap();
    }

    /// A pull of one message that waits up to 20 seconds.
    pub(crate) fn wait(&self) -> JoinHandle<Outcome> {
        self.wait_for(1)
    }

    pub(crate) fn wait_for(&self, limit: u64) -> JoinHandle<Outcome> {
        let (service, key) = (self.service.clone(), self.key.clone());
        tokio::spawn(async move { service.pull(&key, pull(limit, 20.0)).await })
    }

    /// `count` waiting pulls, which joined the queue in their order.
    pub(crate) async fn waits(&self, count: usize) -> Vec<JoinHandle<Outcome>> {
        let mut waits = Vec::with_capacity(count);
        for number in 1..=count {
            waits.push(self.wait());
            self.clock.wait_for_sleepers(number).await;
        }
        waits
    }

    pub(crate) async fn pull(&self) -> Pulled {
        self.service.pull(&self.key, pull(10, 0.0)).await.unwrap()
    }

    pub(crate) async fn in_flight(&self) -> u64 {
        self.service.get(&self.key).await.unwrap().counts.in_flight
    }
}

pub(crate) fn pull(limit: u64, wait: f64) -> PullMessages {
    PullMessages {
        limit: PullLimit::parse(limit).unwrap(),
        wait: PullWait::parse(wait).unwrap(),
        lease: None,
    }
}

/// The texts of an outcome that the worker received.
pub(crate) fn texts(outcome: Result<Outcome, tokio::task::JoinError>) -> Vec<String> {
    let Pulled { messages, guard } = outcome.unwrap().unwrap();
    guard.delivered();
    let texts = messages
        .iter()
        .map(|pulled| pulled.message.content.as_str());
    texts.map(str::to_owned).collect()
}

pub(crate) fn finished(waits: &[JoinHandle<Outcome>]) -> usize {
    waits.iter().filter(|wait| wait.is_finished()).count()
}

pub(crate) fn batch(pulled: &Pulled) -> LeaseBatch {
    let tokens = pulled
        .messages
        .iter()
        .map(|pulled| pulled.lease.to_string());
    LeaseBatch::parse(tokens.collect()).unwrap()
}
