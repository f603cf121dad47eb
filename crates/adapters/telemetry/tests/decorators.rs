//! The decorators count each outcome and change nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    Anchor, AppIdentity, AppendError, BackendError, BulkDeletion, Cache, Clock, MessageStore,
    PageLimit, PageRequest, RetentionPolicy, StoreError, TopicRequest,
};
use posthorn_domain::Timestamp;
use posthorn_telemetry::{InstrumentedCache, InstrumentedStore, Metrics};
use posthorn_testkit::{FakeCache, FakeStore, samples};

/// A clock on which three milliseconds pass from one look to the next.
#[derive(Default)]
struct TickingClock(AtomicU64);

#[async_trait]
impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(3, Ordering::SeqCst))
    }

    async fn sleep(&self, _duration: Duration) {}
}

fn metrics() -> Metrics {
    let identity = AppIdentity {
        name: "posthorn".into(),
        version: "1.2.3".into(),
        environment: "testing".into(),
        instance: "pod-7".into(),
    };
    Metrics::new(&identity, Arc::new(TickingClock::default()))
}

#[track_caller]
fn check(metrics: &Metrics, series: &str, expected: &str) {
    let text = metrics.render().unwrap();
    let line = format!("{series} {expected}");
    assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
}

#[track_caller]
fn check_store(metrics: &Metrics, operation: &str, outcome: &str, count: u32) {
    let name = "app_store_operation_duration_seconds_count";
    let series = format!("{name}{{operation=\"{operation}\",outcome=\"{outcome}\"}}");
    check(metrics, &series, &count.to_string());
}

fn accepted(topic_class: &str) -> String {
    let name = "app_messages_accepted_total";
    format!("{name}{{topic_class=\"{topic_class}\",durability=\"memory\"}}")
}

fn decorated_store(metrics: &Metrics) -> (Arc<FakeStore>, InstrumentedStore) {
    let inner = Arc::new(FakeStore::default());
    let store = InstrumentedStore::new(Arc::clone(&inner) as _, metrics);
    (inner, store)
}

#[tokio::test]
async fn appends_are_counted_by_outcome_and_messages_by_class_of_topic() {
    let metrics = metrics();
    let (_, store) = decorated_store(&metrics);
    let (inbox, other) = (samples::topic("inbox"), samples::topic("news"));
    let hour = Duration::from_hours(1);
    check(&metrics, &accepted("inbox"), "0");
    store.append(samples::append(&inbox, "a")).await.unwrap();
    let keyed = || samples::keyed_append(&other, "b", "key", hour);
    let first = store.append(keyed()).await.unwrap();
    let second = store.append(keyed()).await.unwrap();
    assert_eq!(first.receipt, second.receipt);
    assert!(second.replayed);
    let reused = samples::keyed_append(&other, "c", "key", hour);
    assert_eq!(store.append(reused).await, Err(AppendError::KeyReused));
    check(&metrics, &accepted("inbox"), "1");
    check(&metrics, &accepted("other"), "1");
    check(&metrics, "app_messages_replayed_total", "1");
    check_store(&metrics, "append", "ok", 2);
    check_store(&metrics, "append", "replayed", 1);
    check_store(&metrics, "append", "key_reused", 1);
}

#[tokio::test]
async fn failures_are_counted_by_kind_and_passed_on() {
    let metrics = metrics();
    let (inner, store) = decorated_store(&metrics);
    let topic = samples::topic("inbox");
    let text = || "why".to_owned();
    for (error, outcome) in [
        (StoreError::Unavailable(text()), "unavailable"),
        (StoreError::Full(text()), "full"),
        (StoreError::Corrupt(text()), "corrupt"),
    ] {
        let errors = format!("app_store_errors_total{{outcome=\"{outcome}\"}}");
        check(&metrics, &errors, "0");
        inner.fail_next(2, error.clone());
        let refused = store.append(samples::append(&topic, "a")).await;
        assert_eq!(refused, Err(AppendError::Store(error.clone())));
        assert_eq!(store.health().await, Err(error));
        check_store(&metrics, "append", outcome, 1);
        check_store(&metrics, "health", outcome, 1);
        check(&metrics, &errors, "2");
    }
    check(&metrics, &accepted("inbox"), "0");
}

#[tokio::test]
async fn what_retention_removes_is_counted() {
    let metrics = metrics();
    let (_, store) = decorated_store(&metrics);
    let topic = samples::topic("inbox");
    for text in ["a", "b", "c"] {
        store.append(samples::append(&topic, text)).await.unwrap();
    }
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 1,
    };
    check(&metrics, "app_messages_pruned_total", "0");
    assert_eq!(store.prune(&policy, 10).await.unwrap().removed, 2);
    check(&metrics, "app_messages_pruned_total", "2");
}

#[tokio::test]
async fn every_operation_of_the_store_is_timed_and_passed_on() {
    let metrics = metrics();
    let (inner, store) = decorated_store(&metrics);
    let topic = samples::topic("inbox");
    let id = store
        .append(samples::append(&topic, "a"))
        .await
        .unwrap()
        .receipt
        .id;
    assert_eq!(store.get(&topic, id).await.unwrap().unwrap().id, id);
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::DEFAULT,
    };
    assert_eq!(store.page(&topic, request).await.unwrap().messages.len(), 1);
    let request = TopicRequest::after(None, PageLimit::DEFAULT);
    assert_eq!(store.topics(request).await.unwrap().topics.len(), 1);
    let subscription = store.subscribe(&topic).await.unwrap();
    assert_eq!(inner.subscribers(), 1);
    drop(subscription);
    assert!(store.delete(&topic, id).await.unwrap());
    let deletion = store.delete_before(&topic, id, 10).await.unwrap();
    assert_eq!(deletion, BulkDeletion::default());
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 10,
    };
    assert_eq!(store.prune(&policy, 10).await.unwrap().removed, 0);
    store.health().await.unwrap();
    assert_eq!(store.durability(), inner.durability());
    for operation in [
        "append",
        "get",
        "page",
        "topics",
        "subscribe",
        "delete",
        "delete_before",
        "prune",
        "health",
    ] {
        let labels = format!("operation=\"{operation}\",outcome=\"ok\"");
        let series = format!("app_store_operation_duration_seconds_sum{{{labels}}}");
        check(&metrics, &series, "0.003");
    }
    store.close().await;
    assert!(inner.is_closed());
}

#[tokio::test]
async fn a_cache_counts_hits_misses_and_failures() {
    let metrics = metrics();
    let inner = Arc::new(FakeCache::default());
    let cache = InstrumentedCache::new(Arc::clone(&inner) as _, "redis", &metrics);
    let minute = Duration::from_mins(1);
    assert_eq!(cache.get("a").await.unwrap(), None);
    cache.set("a", &b"1".to_vec(), minute).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(cache.get("a").await.unwrap(), Some(b"1".to_vec()));
    assert!(cache.delete("a").await.unwrap());
    cache.clear().await.unwrap();
    for (error, outcome) in [
        (BackendError::Unavailable("why".to_owned()), "unavailable"),
        (BackendError::Failed("why".to_owned()), "failed"),
    ] {
        inner.fail_next(4, error.clone());
        assert_eq!(cache.get("a").await, Err(error.clone()));
        assert_eq!(
            cache.set("a", &b"1".to_vec(), minute).await,
            Err(error.clone())
        );
        assert_eq!(cache.delete("a").await, Err(error.clone()));
        assert_eq!(cache.clear().await, Err(error));
        for operation in ["get", "set", "delete", "clear"] {
            check_cache(&metrics, operation, outcome, 1);
        }
    }
    check_cache(&metrics, "get", "miss", 1);
    check_cache(&metrics, "get", "hit", 2);
    check_cache(&metrics, "set", "ok", 1);
    check_cache(&metrics, "delete", "ok", 1);
    check_cache(&metrics, "clear", "ok", 1);
}

#[track_caller]
fn check_cache(metrics: &Metrics, operation: &str, outcome: &str, count: u32) {
    let labels = format!("backend=\"redis\",operation=\"{operation}\",outcome=\"{outcome}\"");
    let series = format!("app_cache_requests_total{{{labels}}}");
    check(metrics, &series, &count.to_string());
}

#[tokio::test]
async fn two_decorators_of_one_back_end_share_their_series() {
    let metrics = metrics();
    for _ in 0..2 {
        let inner = Arc::new(FakeCache::<Vec<u8>>::default());
        let cache = InstrumentedCache::new(inner, "redis", &metrics);
        cache.clear().await.unwrap();
    }
    check_cache(&metrics, "clear", "ok", 2);
}
