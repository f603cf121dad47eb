//! The consumer service over a store that fails, stalls and is watched by the test.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ConsumerError, ConsumerService, Precondition, PullMessages, Pulled, Redrive, Redriven,
    StoreError,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, ConsumerSettings,
    LeaseBatch, LeaseNonce, LeaseToken, MessageId, PullWait, Timestamp,
};
use posthorn_testkit::{FakeClock, FakeConsumerStore, FakeRandom, eventually, samples};
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(10);

struct Service {
    clock: Arc<FakeClock>,
    store: Arc<FakeConsumerStore>,
    consumers: Arc<ConsumerService>,
    key: ConsumerKey,
}

impl Service {
    fn new() -> Self {
        let store = Arc::new(FakeConsumerStore::default());
        let (clock, random) = (Arc::new(FakeClock::new()), Arc::new(FakeRandom::default()));
        let service = Arc::new(ConsumerService::new(store.clone(), clock.clone(), random));
        let returning = service.clone();
        tokio::spawn(async move { returning.return_undelivered().await });
        let key = ConsumerKey {
            topic: samples::topic("work"),
            kind: ConsumerKind::Consumer,
            name: ConsumerName::parse("c").unwrap(),
        };
        Self {
            clock,
            store,
            consumers: service,
            key,
        }
    }

    fn set_ready(&self, count: u64) {
        self.store.set_ready(&self.key, count);
    }

    fn fail_next(&self, error: ConsumerError) {
        self.store.fail_next(error);
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
        self.store.pulls()
    }

    async fn wait_for_pulls(&self, count: usize) {
        eventually(SOON, async || self.pulls() == count).await;
    }

    fn returned(&self) -> Vec<u64> {
        let returned = self.store.returned().into_iter();
        returned.map(LeaseNonce::to_bits).collect()
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
async fn leases_go_back_while_the_return_of_others_waits_for_the_store() {
    let service = Service::new();
    service.set_ready(1);
    let first = service.pull().await.unwrap();
    service.set_ready(1);
    let second = service.pull().await.unwrap();
    service.store.stall();
    drop((first, second));
    service.wait_for_returned(&[1, 2]).await;
}

#[tokio::test]
async fn a_pull_that_is_dropped_inside_the_store_gives_back_what_it_may_have_leased() {
    let service = Service::new();
    service.store.stall();
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
async fn all_are_returned_once_the_store_has_them_back() {
    let service = Service::new();
    service.consumers.all_returned().await;
    service.set_ready(1);
    let pulled = service.pull().await.unwrap();
    service.store.stall();
    drop(pulled);
    let consumers = service.consumers.clone();
    let returned = tokio::spawn(async move { consumers.all_returned().await });
    service.wait_for_returned(&[1]).await;
    settle().await;
    assert!(!returned.is_finished(), "the store has not answered");
    service.store.resume();
    returned.await.unwrap();
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
    service.store.stall();
    let before = service.pulls();
    service.set_ready(1);
    service.wait_for_pulls(before + 1).await;
    first.abort();
    service.wait_for_pulls(before + 2).await;
    service.store.resume();
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
    let tags = service.store.tags();
    assert!(tags.len() == 2 && tags.first() == tags.last());
}

#[tokio::test]
async fn a_redrive_of_all_leaves_what_is_damaged() {
    let service = Service::new();
    let id = |number| MessageId::new(Timestamp::from_millis(number), 0);
    service.store.add_dead_letters((0..300).map(id), false);
    service.store.add_dead_letters((300..550).map(id), true);
    for (redriven, remaining) in [(200, 350), (50, 300), (0, 300)] {
        let outcome = service.consumers.redrive(&service.key, &Redrive::All).await;
        let unknown = vec![];
        let expected = Redriven {
            redriven,
            remaining,
            unknown,
        };
        assert_eq!(outcome, Ok(expected));
    }
    let named = Redrive::ids(vec![id(0), id(400)]).unwrap();
    let outcome = service
        .consumers
        .redrive(&service.key, &named)
        .await
        .unwrap();
    assert_eq!((outcome.redriven, outcome.unknown), (1, vec![id(400)]));
}

#[tokio::test]
async fn leases_are_given_back_once_the_store_is_there_again() {
    let service = Service::new();
    service.set_ready(1);
    let dropped = service.pull().await.unwrap();
    for _ in 0..3 {
        service.fail_next(unavailable());
    }
    drop(dropped);
    eventually(SOON, async || {
        service.clock.advance(Duration::from_secs(2));
        service.returned() == [1]
    })
    .await;
}
