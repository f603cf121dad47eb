//! The store and the cache stay within their settings.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, AppendError, Cache, MessageStore, PageLimit, PageRequest, RetentionPolicy, TopicRequest,
};
use posthorn_domain::{MessageId, Topic};
use posthorn_memory::{MemoryCache, MemoryCacheSettings, MemoryStore, MemoryStoreSettings};
use posthorn_testkit::FakeClock;
use posthorn_testkit::samples::{append, keyed_append, topic};

const TTL: Duration = Duration::from_hours(1);
/// The bytes of a message with a text of four, as the store estimates them.
const MESSAGE: usize = 260;

fn store(settings: MemoryStoreSettings) -> MemoryStore {
    MemoryStore::new(Arc::new(FakeClock::new()), settings)
}

async fn send(store: &MemoryStore, topic: &Topic, text: &str) -> MessageId {
    store.append(append(topic, text)).await.unwrap().receipt.id
}

async fn held(store: &MemoryStore, topic: &Topic) -> Vec<MessageId> {
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::MAX,
    };
    let page = store.page(topic, request).await.unwrap();
    page.messages.iter().map(|message| message.id).collect()
}

async fn is_truncated(store: &MemoryStore, topic: &Topic, after: MessageId) -> bool {
    let request = PageRequest {
        anchor: Anchor::After(after),
        limit: PageLimit::MAX,
    };
    store.page(topic, request).await.unwrap().truncated
}

#[tokio::test]
async fn the_oldest_message_of_all_topics_is_evicted() {
    let store = store(MemoryStoreSettings {
        max_bytes: 4 * MESSAGE,
        ..Default::default()
    });
    let (a, b) = (topic("a"), topic("b"));
    let mut sent = Vec::new();
    for topic in [&b, &a, &a, &b, &a, &a] {
        sent.push(send(&store, topic, "text").await);
    }
    assert_eq!(held(&store, &a).await, [sent[2], sent[4], sent[5]]);
    assert_eq!(held(&store, &b).await, [sent[3]]);
    assert!(is_truncated(&store, &b, MessageId::MIN).await);
    assert!(!is_truncated(&store, &b, sent[0]).await);
    assert!(is_truncated(&store, &a, sent[0]).await);
    assert!(!is_truncated(&store, &a, sent[1]).await);
}

#[tokio::test]
async fn a_deleted_message_frees_its_space() {
    let store = store(MemoryStoreSettings {
        max_bytes: 2 * MESSAGE,
        ..Default::default()
    });
    let a = topic("a");
    let (first, second) = (
        send(&store, &a, "text").await,
        send(&store, &a, "text").await,
    );
    assert_eq!(store.delete(&a, second).await, Ok(true));
    let third = send(&store, &a, "text").await;
    assert_eq!(held(&store, &a).await, [first, third]);
    assert!(!is_truncated(&store, &a, MessageId::MIN).await);
}

#[tokio::test]
async fn a_large_message_evicts_as_many_bytes_as_it_needs() {
    let store = store(MemoryStoreSettings {
        max_bytes: 4_000,
        ..Default::default()
    });
    let (a, b) = (topic("a"), topic("b"));
    let mut small = Vec::new();
    for _ in 0..10 {
        small.push(send(&store, &a, "x").await);
    }
    assert_eq!(held(&store, &a).await, small);
    let large = send(&store, &b, &"x".repeat(1_000)).await;
    let larger = send(&store, &b, &"ж".repeat(1_000)).await;
    assert_eq!(held(&store, &a).await, small[9..], "no more than needed");
    assert_eq!(held(&store, &b).await, [large, larger]);
}

#[tokio::test]
async fn a_message_larger_than_the_store_is_rejected_and_evicts_nothing() {
    let settings = MemoryStoreSettings {
        max_bytes: 1_000,
        ..Default::default()
    };
    for settings in [
        settings,
        MemoryStoreSettings {
            max_bytes: 0,
            ..Default::default()
        },
    ] {
        let store = store(settings);
        let a = topic("a");
        let small = store.append(append(&a, "x")).await.is_ok();
        let rejected = store.append(append(&a, &"x".repeat(1_000))).await;
        assert_eq!(rejected, Err(AppendError::TooLarge));
        assert_eq!(held(&store, &a).await.len(), usize::from(small));
    }
}

#[tokio::test]
async fn a_full_store_of_short_lived_topics_stays_full() {
    let store = store(MemoryStoreSettings {
        max_bytes: 10 * MESSAGE,
        ..Default::default()
    });
    for number in 0..1_000 {
        send(&store, &topic(&format!("t{number}")), "text").await;
    }
    let request = TopicRequest::after(None, PageLimit::MAX);
    let listed = store.topics(request).await.unwrap().topics;
    let names: Vec<_> = listed
        .iter()
        .map(|summary| summary.topic.as_str())
        .collect();
    let expected: Vec<_> = (990..1_000).map(|number| format!("t{number}")).collect();
    assert_eq!(names, expected);
    assert!(is_truncated(&store, &topic("t0"), MessageId::MIN).await);
}

#[tokio::test]
async fn the_oldest_key_is_removed_when_there_are_too_many() {
    let store = store(MemoryStoreSettings {
        max_idempotency_keys: 2,
        ..Default::default()
    });
    let a = topic("a");
    for key in ["1", "2", "3"] {
        assert!(
            !store
                .append(keyed_append(&a, "text", key, TTL))
                .await
                .unwrap()
                .replayed
        );
    }
    for (key, remembered) in [("3", true), ("2", true), ("1", false)] {
        let again = store
            .append(keyed_append(&a, "text", key, TTL))
            .await
            .unwrap();
        assert_eq!(again.replayed, remembered, "{key}");
    }
}

#[tokio::test]
async fn a_step_of_pruning_reports_more_expired_keys() {
    let clock = Arc::new(FakeClock::new());
    let store = MemoryStore::new(Arc::clone(&clock) as _, MemoryStoreSettings::default());
    for number in 0..25 {
        let key = format!("key-{number}");
        let append = keyed_append(&topic("a"), "text", &key, TTL);
        store.append(append).await.unwrap();
    }
    clock.advance(TTL);
    let policy = RetentionPolicy {
        max_age: TTL * 2,
        max_count: 100,
    };
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(store.prune(&policy, 10).await.unwrap().more);
    }
    assert_eq!(more, [true, true, false]);
}

#[tokio::test]
async fn a_cache_stays_within_its_bytes() {
    let settings = MemoryCacheSettings { max_bytes: 1 << 20 };
    let cache = MemoryCache::new(Arc::new(FakeClock::new()), settings);
    let value = vec![1; 10_000];
    for number in 0..1_000 {
        cache.set(&number.to_string(), &value, TTL).await.unwrap();
    }
    let mut bytes = 0;
    for number in 0..1_000 {
        bytes += cache
            .get(&number.to_string())
            .await
            .unwrap()
            .map_or(0, |value| value.len());
    }
    assert!(bytes > 0);
    // The map evicts with a delay: at most 384 entries wait for it.
    assert!(
        bytes <= (1 << 20) + 384 * value.len(),
        "{bytes} bytes are held"
    );
}

#[tokio::test]
async fn a_value_larger_than_the_cache_is_not_stored_and_removes_its_predecessor() {
    let settings = MemoryCacheSettings { max_bytes: 10_000 };
    let cache = MemoryCache::new(Arc::new(FakeClock::new()), settings);
    assert_eq!(cache.set("key", &b"small".to_vec(), TTL).await, Ok(()));
    assert_eq!(cache.set("key", &vec![1; 10_000], TTL).await, Ok(()));
    assert_eq!(cache.get("key").await, Ok(None));
}

#[tokio::test]
async fn a_message_to_one_topic_too_many_is_rejected() {
    let store = store(MemoryStoreSettings {
        max_topics: 2,
        ..MemoryStoreSettings::default()
    });
    posthorn_testkit::store_contract::caps::topics_are_capped(&store, 2).await;
}

#[tokio::test]
async fn a_retry_is_answered_where_its_topic_has_no_place() {
    let store = store(MemoryStoreSettings {
        max_topics: 3,
        ..MemoryStoreSettings::default()
    });
    let forget = async |_: &Topic| {};
    posthorn_testkit::store_contract::caps::a_retry_is_answered_where_its_topic_has_no_place(
        &store, &store, 3, forget,
    )
    .await;
}

#[tokio::test]
async fn a_consumer_of_one_topic_too_many_is_rejected() {
    let store = store(MemoryStoreSettings {
        max_topics: 3,
        ..MemoryStoreSettings::default()
    });
    posthorn_testkit::webhook_contract::caps::topics_with_consumers_are_capped(&store, 3).await;
}

#[tokio::test]
async fn evicted_messages_are_counted_by_the_next_round() {
    let store = store(MemoryStoreSettings {
        max_bytes: 3 * MESSAGE,
        ..MemoryStoreSettings::default()
    });
    let topic = topic("a");
    for _ in 0..5 {
        send(&store, &topic, "text").await;
    }
    let policy = RetentionPolicy {
        max_age: TTL,
        max_count: 10,
    };
    assert_eq!(store.prune(&policy, 10).await.unwrap().removed, 2);
    assert_eq!(store.prune(&policy, 10).await.unwrap().removed, 0);
}
