//! The consumer service over a store that fails, stalls and is watched by the test.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, ConsumerNotifier, ConsumerPut, ConsumerService, ConsumerStatus, ConsumerStore,
    DeadLetterPage, DeadLetterRequest, LeaseUpdate, LeasedMessage, LeasesUpdated, PageLimit,
    Precondition, PullMessages, PullRequest, Pulled, PulledLeases, PutConsumer, Redrive, Redriven,
    StoreError, Subscription,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings,
    LeaseBatch, LeaseNonce, LeaseToken, MessageId, PullWait, SettingsTag, Timestamp, Topic,
};
use posthorn_testkit::{FakeClock, FakeRandom, eventually, samples};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(10);

/// A store whose pulls are scripted. It holds nothing.
struct ScriptedStore {
    /// The number of messages for the next pulls, from the last one on; 0 when empty.
    ready: Mutex<u64>,
    /// The next pulls fail with these.
    errors: Mutex<Vec<ConsumerError>>,
    /// A pull takes effect only with a permit.
    permits: Semaphore,
    pulls: Mutex<Vec<LeaseNonce>>,
    returned: Mutex<Vec<LeaseNonce>>,
    tags: Mutex<Vec<SettingsTag>>,
    notifier: Arc<ConsumerNotifier>,
}

#[async_trait]
impl ConsumerStore for ScriptedStore {
    async fn put(&self, _: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError> {
        self.tags.lock().unwrap().push(put.tag);
        Err(ConsumerError::LimitReached)
    }

    async fn status(&self, _: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn list(&self, _: &Topic, _: ConsumerKind) -> Result<Vec<ConsumerStatus>, StoreError> {
        Ok(Vec::new())
    }

    async fn topics_with_consumers(
        &self,
        _: Option<&Topic>,
        _: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &ConsumerKey, _: &Precondition) -> Result<(), ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError> {
        self.pulls.lock().unwrap().push(request.nonce);
        self.permits.acquire().await.unwrap().forget();
        if let Some(error) = self.errors.lock().unwrap().pop() {
            return Err(error);
        }
        let mut ready = self.ready.lock().unwrap();
        let Some(left) = ready.checked_sub(1) else {
            return Ok(PulledLeases::default());
        };
        *ready = left;
        let id = MessageId::new(Timestamp::from_millis(1), left);
        let leased = LeasedMessage {
            message: Arc::new(samples::message(&key.topic, "x").accepted(id)),
            attempt: Attempt::FIRST,
            expires_at: Timestamp::MAX,
        };
        Ok(PulledLeases {
            messages: vec![leased],
            more: left > 0,
            next_due: None,
        })
    }

    async fn update_leases(
        &self,
        _: &ConsumerKey,
        leases: &[LeaseToken],
        _: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError> {
        // Leases of an even nonce are valid.
        let valid = leases.iter().map(|token| token.nonce.to_bits() % 2 == 0);
        Ok(LeasesUpdated {
            valid: valid.collect(),
            expires_at: None,
        })
    }

    async fn give_back(&self, _: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError> {
        self.returned.lock().unwrap().push(nonce);
        self.errors.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    async fn seek(
        &self,
        _: &ConsumerKey,
        _: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn dead_letters(
        &self,
        _: &ConsumerKey,
        _: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn redrive(&self, _: &ConsumerKey, _: &Redrive) -> Result<Redriven, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn delete_dead_letter(
        &self,
        _: &ConsumerKey,
        _: MessageId,
    ) -> Result<bool, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError> {
        Ok(Box::new(self.notifier.subscribe(key)))
    }
}

struct Service {
    store: Arc<ScriptedStore>,
    consumers: Arc<ConsumerService>,
    key: ConsumerKey,
}

impl Service {
    fn new() -> Self {
        let store = Arc::new(ScriptedStore {
            ready: Mutex::default(),
            errors: Mutex::default(),
            permits: Semaphore::new(1_000),
            pulls: Mutex::default(),
            returned: Mutex::default(),
            tags: Mutex::default(),
            notifier: Arc::default(),
        });
        let (clock, random) = (Arc::new(FakeClock::new()), Arc::new(FakeRandom::default()));
        let service = Arc::new(ConsumerService::new(store.clone(), clock, random));
        let returning = service.clone();
        tokio::spawn(async move { returning.return_undelivered().await });
        let key = ConsumerKey {
            topic: samples::topic("work"),
            kind: ConsumerKind::Consumer,
            name: ConsumerName::parse("c").unwrap(),
        };
        Self {
            store,
            consumers: service,
            key,
        }
    }

    fn set_ready(&self, count: u64) {
        *self.store.ready.lock().unwrap() = count;
        self.store.notifier.notify(&self.key);
    }

    fn fail_next(&self, error: ConsumerError) {
        self.store.errors.lock().unwrap().push(error);
    }

    /// Lets pulls stall until a permit is added.
    fn stall(&self) {
        let permits = self.store.permits.available_permits();
        self.store.permits.forget_permits(permits);
    }

    async fn pull(&self) -> Result<Pulled, ConsumerError> {
        self.consumers
            .pull(&self.key, PullMessages::default())
            .await
    }

    fn wait(&self) -> JoinHandle<Result<Pulled, ConsumerError>> {
        let (service, key) = (self.consumers.clone(), self.key.clone());
        let pull = PullMessages {
            wait: PullWait::parse(20.0).unwrap(),
            ..PullMessages::default()
        };
        tokio::spawn(async move { service.pull(&key, pull).await })
    }

    fn pulls(&self) -> usize {
        self.store.pulls.lock().unwrap().len()
    }

    async fn wait_for_pulls(&self, count: usize) {
        eventually(SOON, async || self.pulls() == count).await;
    }

    fn returned(&self) -> Vec<u64> {
        let returned = self.store.returned.lock().unwrap();
        returned.iter().map(|nonce| nonce.to_bits()).collect()
    }

    async fn wait_for_returned(&self, expected: &[u64]) {
        eventually(SOON, async || self.returned() == expected).await;
    }
}

fn unavailable() -> ConsumerError {
    StoreError::Unavailable("down".to_owned()).into()
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn leases_that_are_dropped_go_back_once_and_delivered_ones_never() {
    let service = Service::new();
    service.set_ready(3);
    let delivered = service.pull().await.unwrap();
    let dropped = service.pull().await.unwrap();
    let kept = service.pull().await.unwrap();
    delivered.guard.delivered();
    drop(dropped);
    service.wait_for_returned(&[2]).await;
    settle().await;
    assert_eq!(service.returned(), [2]);
    drop(kept);
    service.wait_for_returned(&[2, 3]).await;
}

#[tokio::test]
async fn a_pull_that_is_dropped_inside_the_store_gives_back_what_it_may_have_leased() {
    let service = Service::new();
    service.stall();
    let (pulling, key) = (service.consumers.clone(), service.key.clone());
    let pulling = tokio::spawn(async move { pulling.pull(&key, PullMessages::default()).await });
    service.wait_for_pulls(1).await;
    pulling.abort();
    service.wait_for_returned(&[1]).await;
}

#[tokio::test]
async fn a_failed_pull_gives_back_only_what_may_be_leased() {
    let service = Service::new();
    service.fail_next(ConsumerError::NotFound);
    assert_eq!(service.pull().await.err(), Some(ConsumerError::NotFound));
    service.fail_next(unavailable());
    assert_eq!(service.pull().await.err(), Some(unavailable()));
    service.wait_for_returned(&[2]).await;
    drop(service.pull().await.unwrap());
    settle().await;
    assert_eq!(service.returned(), [2], "an empty pull leases nothing");
}

#[tokio::test]
async fn leases_are_given_back_after_a_failure_of_the_store_too() {
    let service = Service::new();
    service.set_ready(2);
    let (first, second) = (service.pull().await.unwrap(), service.pull().await.unwrap());
    service.fail_next(unavailable());
    drop(first);
    service.wait_for_returned(&[1]).await;
    drop(second);
    service.wait_for_returned(&[1, 2]).await;
}

#[tokio::test]
async fn a_turn_that_fails_is_passed_on() {
    let service = Service::new();
    let first = service.wait();
    service.wait_for_pulls(2).await;
    let second = service.wait();
    settle().await;
    service.fail_next(unavailable());
    service.set_ready(1);
    assert_eq!(first.await.unwrap().err(), Some(unavailable()));
    let pulled = second.await.unwrap().unwrap();
    assert_eq!(pulled.messages.len(), 1);
    pulled.guard.delivered();
}

#[tokio::test]
async fn a_turn_that_is_dropped_is_passed_on() {
    let service = Service::new();
    let first = service.wait();
    service.wait_for_pulls(2).await;
    let second = service.wait();
    settle().await;
    service.stall();
    let before = service.pulls();
    service.set_ready(1);
    service.wait_for_pulls(before + 1).await;
    first.abort();
    service.wait_for_pulls(before + 2).await;
    service.store.permits.add_permits(10);
    let pulled = second.await.unwrap().unwrap();
    assert_eq!(pulled.messages.len(), 1);
    pulled.guard.delivered();
}

#[tokio::test]
async fn a_wait_costs_two_pulls_and_each_idle_one_behind_it_none() {
    let service = Service::new();
    let first = service.wait();
    service.wait_for_pulls(2).await;
    let others: Vec<_> = (0..50).map(|_| service.wait()).collect();
    settle().await;
    assert_eq!(service.pulls(), 2);
    service.set_ready(1);
    first.await.unwrap().unwrap().guard.delivered();
    settle().await;
    assert_eq!(service.pulls(), 3, "one message wakes one pull");
    service.consumers.stop_waiting();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().messages, []);
    }
}

#[tokio::test]
async fn stale_texts_are_named_and_repeated_ones_count_once() {
    let service = Service::new();
    let text = |bits| {
        let (id, attempt) = (MessageId::MIN, Attempt::FIRST);
        let nonce = LeaseNonce::from_bits(bits);
        LeaseToken { id, attempt, nonce }.to_string()
    };
    let texts = vec![text(1), "x".into(), text(2), text(2), text(4), text(1)];
    let batch = LeaseBatch::parse(texts).unwrap();
    let settled = service.consumers.ack(&service.key, batch).await.unwrap();
    assert_eq!(settled.settled, 2);
    assert_eq!(settled.stale, [text(1), "x".into()]);
}

#[tokio::test]
async fn equal_settings_are_put_under_one_tag() {
    let service = Service::new();
    for start in [ConsumerPosition::Oldest, ConsumerPosition::Newest] {
        let (settings, any) = (ConsumerSettings::default(), Precondition::None);
        let put = service
            .consumers
            .put(&service.key, settings, start, any)
            .await;
        assert_eq!(put.err(), Some(ConsumerError::LimitReached));
    }
    let tags = service.store.tags.lock().unwrap();
    assert!(tags.len() == 2 && tags.first() == tags.last());
}
