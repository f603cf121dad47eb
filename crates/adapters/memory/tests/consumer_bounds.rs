//! The consumers of the memory store stay within their settings.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ConsumerError, ConsumerStore, LeaseUpdate, MessageStore, Precondition, PullRequest,
    PutConsumer, StoreError,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerOptions, ConsumerPosition, ConsumerSettings,
    LeaseNonce, LeaseToken, PullLimit, SettingsTag, Topic,
};
use posthorn_memory::{MemoryStore, MemoryStoreSettings};
use posthorn_testkit::{FakeClock, samples};

fn store(settings: MemoryStoreSettings) -> MemoryStore {
    MemoryStore::new(Arc::new(FakeClock::new()), settings)
}

fn key(topic: &Topic, name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: topic.clone(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse(name).unwrap(),
    }
}

async fn create(
    store: &MemoryStore,
    key: &ConsumerKey,
    attempts: u64,
) -> Result<(), ConsumerError> {
    let options = ConsumerOptions {
        max_attempts: Some(attempts),
        ..ConsumerOptions::default()
    };
    let put = PutConsumer {
        settings: ConsumerSettings::parse(&options).unwrap(),
        tag: SettingsTag::from_bytes([0; SettingsTag::LENGTH]),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    };
    store.put(key, put).await.map(drop)
}

async fn append(store: &MemoryStore, topic: &Topic, count: usize) {
    for _ in 0..count {
        store
            .append(samples::append(topic, &"x".repeat(900)))
            .await
            .unwrap();
    }
}

/// Pulls at most 200 messages; the tokens of their leases.
async fn pull(store: &MemoryStore, key: &ConsumerKey, bits: u64) -> Vec<LeaseToken> {
    let request = PullRequest {
        limit: PullLimit::MAX,
        lease: None,
        nonce: LeaseNonce::from_bits(bits),
    };
    let pulled = store.pull(key, request).await.unwrap();
    let tokens = pulled
        .messages
        .iter()
        .map(|leased| leased.token(request.nonce));
    tokens.collect()
}

async fn update(
    store: &MemoryStore,
    key: &ConsumerKey,
    leases: &[LeaseToken],
    update: LeaseUpdate,
) {
    let updated = store.update_leases(key, leases, update).await.unwrap();
    assert!(updated.valid.iter().all(|valid| *valid));
}

fn reject() -> LeaseUpdate {
    LeaseUpdate::Nack {
        delay: Some(Duration::ZERO),
        reason: None,
    }
}

#[tokio::test]
async fn consumers_above_the_limit_are_rejected_as_full() {
    let store = store(MemoryStoreSettings {
        max_consumers: 2,
        ..MemoryStoreSettings::default()
    });
    for topic in ["a", "b"] {
        assert_eq!(
            create(&store, &key(&samples::topic(topic), "c"), 1).await,
            Ok(())
        );
    }
    let third = key(&samples::topic("c"), "c");
    let full = create(&store, &third, 1).await;
    assert!(
        matches!(full, Err(ConsumerError::Store(StoreError::Full(_)))),
        "{full:?}"
    );
    let first = key(&samples::topic("a"), "c");
    assert_eq!(
        ConsumerStore::delete(&store, &first, &Precondition::None).await,
        Ok(())
    );
    assert_eq!(create(&store, &third, 1).await, Ok(()));
}

#[tokio::test]
async fn new_messages_wait_until_there_is_room_for_their_leases() {
    let store = store(MemoryStoreSettings {
        max_consumer_entries: 35,
        ..MemoryStoreSettings::default()
    });
    let topic = samples::topic("work");
    let (first, second) = (key(&topic, "first"), key(&topic, "second"));
    for key in [&first, &second] {
        create(&store, key, 5).await.unwrap();
    }
    append(&store, &topic, 20).await;
    let leases = pull(&store, &first, 1).await;
    assert_eq!(leases.len(), 20);
    assert_eq!(pull(&store, &second, 2).await.len(), 15);
    assert_eq!(pull(&store, &second, 3).await.len(), 0);
    // A rejected message keeps its room, and is handed out again.
    update(&store, &first, &leases, reject()).await;
    assert_eq!(pull(&store, &second, 4).await.len(), 0);
    let leases = pull(&store, &first, 5).await;
    assert_eq!(leases.len(), 20);
    update(&store, &first, &leases, LeaseUpdate::Ack).await;
    assert_eq!(pull(&store, &second, 6).await.len(), 5);
    assert_eq!(store.status(&second).await.unwrap().counts.missed, 0);
}

#[tokio::test]
async fn a_consumer_with_many_leases_stops_no_other_one() {
    let store = store(MemoryStoreSettings {
        max_consumer_entries: 20,
        ..MemoryStoreSettings::default()
    });
    let topic = samples::topic("work");
    let (greedy, other) = (key(&topic, "greedy"), key(&topic, "other"));
    for key in [&greedy, &other] {
        create(&store, key, 5).await.unwrap();
    }
    append(&store, &topic, 50).await;
    assert_eq!(pull(&store, &greedy, 1).await.len(), 20);
    for bits in 2..5 {
        let leases = pull(&store, &other, bits).await;
        assert_eq!(leases.len(), MemoryStoreSettings::OWN_ENTRIES);
        update(&store, &other, &leases, LeaseUpdate::Ack).await;
    }
}

#[tokio::test]
async fn the_first_dead_letters_of_whoever_has_most_go_when_they_take_too_many_bytes() {
    let store = store(MemoryStoreSettings {
        max_dead_letter_bytes: 10_000,
        ..MemoryStoreSettings::default()
    });
    let topic = samples::topic("work");
    let (first, second) = (key(&topic, "first"), key(&topic, "second"));
    for key in [&first, &second] {
        create(&store, key, 1).await.unwrap();
    }
    append(&store, &topic, 20).await;
    let mut kept = 0;
    for (key, bits) in [(&first, 1), (&second, 2)] {
        let leases = pull(&store, key, bits).await;
        update(&store, key, &leases, reject()).await;
    }
    for key in [&first, &second] {
        let counts = store.status(key).await.unwrap().counts;
        assert_eq!(counts.dead + counts.dead_dropped, 20);
        // A message of 900 bytes weighs somewhat more than a kilobyte.
        assert!((3..=5).contains(&counts.dead), "{counts:?}");
        kept += counts.dead;
    }
    assert!((7..=9).contains(&kept), "{kept}");
    assert_eq!(
        ConsumerStore::delete(&store, &first, &Precondition::None).await,
        Ok(())
    );
    append(&store, &topic, 5).await;
    let leases = pull(&store, &second, 3).await;
    update(&store, &second, &leases, reject()).await;
    let counts = store.status(&second).await.unwrap().counts;
    assert!(
        (7..=9).contains(&counts.dead),
        "its share is free: {counts:?}"
    );
}
