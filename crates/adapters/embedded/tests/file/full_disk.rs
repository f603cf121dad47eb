//! Consumers on a full disk.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AppendError, Clock, ConsumerError, ConsumerStore, DeadLetterRequest, DeliveryState,
    LeaseUpdate, MessageStore, PageLimit, Precondition, PullRequest, PutConsumer, StoreError,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerOptions, ConsumerPosition, ConsumerSettings,
    LeaseNonce, MessageId, PullLimit, SettingsTag, Topic,
};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_testkit::FakeClock;
use posthorn_testkit::samples::append;
use tempfile::TempDir;

const LEASED: u64 = 100;

/// A consumer whose messages die when their first lease ends.
async fn create(store: &EmbeddedStore, key: &ConsumerKey) {
    let options = ConsumerOptions {
        max_attempts: Some(1),
        ..ConsumerOptions::default()
    };
    let put = PutConsumer {
        settings: ConsumerSettings::parse(&options).unwrap(),
        tag: SettingsTag::from_bytes([1; SettingsTag::LENGTH]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    };
    store.put(key, put).await.unwrap();
}

/// Appends messages until there is no space, and leases the first ones.
async fn fill(store: &EmbeddedStore, key: &ConsumerKey) -> Vec<MessageId> {
    let text = "x".repeat(1000);
    let mut ids = Vec::new();
    for _ in 0..LEASED {
        let appended = store.append(append(&key.topic, &text)).await.unwrap();
        ids.push(appended.receipt.id);
    }
    let pulled = store.pull(key, pull()).await.unwrap();
    assert_eq!(pulled.messages.len() as u64, LEASED);
    loop {
        match store.append(append(&key.topic, &text)).await {
            Ok(appended) => ids.push(appended.receipt.id),
            Err(AppendError::Store(StoreError::Full(_))) => return ids,
            Err(error) => panic!("{error}"),
        }
        assert!(ids.len() < 1000, "the disk is never full");
    }
}

fn pull() -> PullRequest {
    PullRequest {
        limit: PullLimit::parse(LEASED).unwrap(),
        lease: None,
        nonce: LeaseNonce::from_bits(1),
    }
}

#[tokio::test]
async fn a_full_disk_does_not_keep_consumers_from_being_read_when_leases_expire() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        max_bytes: Some(256 * 4096),
        ..super::settings(&directory)
    };
    let clock = Arc::new(FakeClock::new());
    let store = EmbeddedStore::open(&settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let topic = Topic::inbox();
    let key = ConsumerKey {
        topic: topic.clone(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse("c").unwrap(),
    };
    create(&store, &key).await;
    let ids = fill(&store, &key).await;
    clock.advance(Duration::from_secs(31));

    // Twice: nothing is kept of the first call.
    for _ in 0..2 {
        let status = store.status(&key).await.unwrap();
        let counts = status.counts;
        assert_eq!((counts.dead, counts.in_flight), (LEASED, 0));
        assert_eq!(counts.waiting, ids.len() as u64 - LEASED);
        let listed = store.list(&topic, ConsumerKind::Consumer).await.unwrap();
        assert_eq!(listed, [status]);
        let request = DeadLetterRequest {
            after: None,
            limit: PageLimit::MAX,
        };
        let dead = store.dead_letters(&key, request).await.unwrap();
        assert_eq!(dead.letters.len() as u64, LEASED);
        let found = store.deliveries(&topic, ConsumerKind::Consumer, ids[0]);
        let found = found.await.unwrap();
        assert!(matches!(found[0].state, DeliveryState::Dead { .. }));
        store.watch(&key).await.unwrap();
    }
    // A call that changes the consumer fails, as nothing of it can be kept.
    let full = |outcome| matches!(outcome, Err(ConsumerError::Store(StoreError::Full(_))));
    assert!(full(store.pull(&key, pull()).await.map(drop)));
    let released = store.update_leases(&key, &[], LeaseUpdate::Release).await;
    assert!(full(released.map(drop)));
    // The file kept its limit.
    let rejected = store.append(append(&topic, &"x".repeat(1000))).await;
    let rejected = rejected.unwrap_err();
    assert!(matches!(rejected, AppendError::Store(StoreError::Full(_))));
}
