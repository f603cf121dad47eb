//! `MessageService` over a cache: cached messages are returned, deleted ones never.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    BackendError, Cache, CachedMessage, MessageService, MessageStore, RetentionPolicy, StoreError,
};
use posthorn_domain::{Attributes, MessageId, Topic};
use posthorn_testkit::samples::append;
use posthorn_testkit::{CacheCall, FakeCache, FakeClock, FakeStore};
use tokio::sync::Semaphore;

struct Setup {
    clock: Arc<FakeClock>,
    store: Arc<FakeStore>,
    cache: Arc<FakeCache<CachedMessage>>,
    service: Arc<MessageService>,
}

fn setup() -> Setup {
    setup_with(|cache| cache)
}

/// A service over the wrapped cache.
fn setup_with(
    wrap: impl FnOnce(Arc<dyn Cache<CachedMessage>>) -> Arc<dyn Cache<CachedMessage>>,
) -> Setup {
    let clock = Arc::new(FakeClock::new());
    let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
    let cache = Arc::new(FakeCache::new(Arc::clone(&clock)));
    let ttl = Duration::from_hours(24);
    let service = MessageService::new(Arc::clone(&store) as _, "pod".into(), ttl)
        .with_cache(wrap(Arc::clone(&cache) as _));
    Setup {
        clock,
        store,
        cache,
        service: Arc::new(service),
    }
}

impl Setup {
    async fn store(&self, text: &str) -> MessageId {
        let mut append = append(&Topic::inbox(), text);
        append.message.attributes = Attributes::parse([("kind", "a \"quoted\" one")]).unwrap();
        self.store.append(append).await.unwrap().receipt.id
    }

    /// The text of a message, if it is there.
    async fn text(&self, id: MessageId) -> Result<Option<String>, StoreError> {
        let found = self.service.get(&Topic::inbox(), id).await?;
        Ok(found.map(|message| message.content.as_str().to_owned()))
    }

    fn break_store(&self) {
        let away = StoreError::Unavailable("away".to_owned());
        self.store.fail_next(usize::MAX, away);
    }
}

#[tokio::test]
async fn a_message_is_returned_from_the_cache_until_its_ttl_has_passed() {
    let setup = setup();
    let id = setup.store("a \u{1f4ef}\n").await;
    let stored = setup.service.get(&Topic::inbox(), id).await.unwrap();
    assert!(stored.is_some());
    setup.break_store();
    setup.clock.advance(Duration::from_millis(4_999));
    assert_eq!(setup.service.get(&Topic::inbox(), id).await, Ok(stored));
    setup.clock.advance(Duration::from_millis(1));
    assert!(setup.text(id).await.is_err(), "the store is read again");
}

#[tokio::test]
async fn a_message_of_another_topic_is_another_message() {
    let setup = setup();
    let id = setup.store("text").await;
    assert!(setup.text(id).await.unwrap().is_some());
    let other = "other".parse().unwrap();
    assert_eq!(setup.service.get(&other, id).await, Ok(None));
}

#[tokio::test]
async fn a_deleted_message_is_gone_at_once_and_others_stay_cached() {
    let setup = setup();
    let (deleted, other) = (setup.store("deleted").await, setup.store("other").await);
    for id in [deleted, other] {
        assert!(setup.text(id).await.unwrap().is_some());
    }
    assert_eq!(
        setup.service.delete(&Topic::inbox(), deleted).await,
        Ok(true)
    );
    assert_eq!(setup.text(deleted).await, Ok(None));
    setup.break_store();
    assert_eq!(setup.text(other).await, Ok(Some("other".to_owned())));
}

#[tokio::test]
async fn the_store_is_read_after_a_failed_deletion() {
    let setup = setup();
    let id = setup.store("text").await;
    assert!(setup.text(id).await.unwrap().is_some());
    setup.break_store();
    assert!(setup.service.delete(&Topic::inbox(), id).await.is_err());
    assert!(setup.text(id).await.is_err());
}

#[tokio::test]
async fn a_pruned_message_is_shown_for_seconds_at_most() {
    let setup = setup();
    let id = setup.store("pruned").await;
    assert!(setup.text(id).await.unwrap().is_some());
    setup.store("kept").await;
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 1,
    };
    setup.store.prune(&policy, 100).await.unwrap();
    setup.clock.advance(Duration::from_secs(5));
    assert_eq!(setup.text(id).await, Ok(None));
}

#[tokio::test]
async fn a_cache_that_fails_costs_work_alone() {
    let setup = setup();
    let id = setup.store("text").await;
    for error in [
        BackendError::Unavailable("away".to_owned()),
        BackendError::Failed("broken".to_owned()),
    ] {
        setup.cache.fail_next(2, error);
        assert_eq!(setup.text(id).await, Ok(Some("text".to_owned())));
    }
    assert_eq!(setup.text(id).await, Ok(Some("text".to_owned())));
}

/// A cache whose `set` waits for a permit.
struct SlowCache {
    inner: Arc<dyn Cache<CachedMessage>>,
    arrived: Semaphore,
    may_go: Semaphore,
}

#[async_trait]
impl Cache<CachedMessage> for SlowCache {
    async fn get(&self, key: &str) -> Result<Option<CachedMessage>, BackendError> {
        self.inner.get(key).await
    }

    async fn set(
        &self,
        key: &str,
        value: &CachedMessage,
        ttl: Duration,
    ) -> Result<(), BackendError> {
        self.arrived.add_permits(1);
        self.may_go.acquire().await.unwrap().forget();
        self.inner.set(key, value, ttl).await
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        self.inner.delete(key).await
    }

    async fn clear(&self) -> Result<(), BackendError> {
        self.inner.clear().await
    }
}

#[tokio::test]
async fn a_read_before_a_deletion_that_is_cached_after_it_brings_nothing_back() {
    let mut slow = None;
    let setup = setup_with(|inner| {
        let cache = Arc::new(SlowCache {
            inner,
            arrived: Semaphore::new(0),
            may_go: Semaphore::new(0),
        });
        slow = Some(Arc::clone(&cache));
        cache
    });
    let slow = slow.unwrap();
    let id = setup.store("text").await;
    let service = Arc::clone(&setup.service);
    let reader = tokio::spawn(async move { service.get(&Topic::inbox(), id).await });
    slow.arrived.acquire().await.unwrap().forget();
    assert_eq!(setup.service.delete(&Topic::inbox(), id).await, Ok(true));
    slow.may_go.add_permits(1);
    assert!(reader.await.unwrap().unwrap().is_some(), "it came before");
    assert!(
        matches!(setup.cache.calls().last(), Some(CacheCall::Set(..))),
        "it is in the cache now"
    );
    assert_eq!(setup.text(id).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn among_many_readers_no_deleted_message_is_seen_again() {
    let setup = Arc::new(setup());
    for round in 0..200 {
        let id = setup.store(&round.to_string()).await;
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let service = Arc::clone(&setup.service);
                tokio::spawn(async move {
                    for _ in 0..20 {
                        service.get(&Topic::inbox(), id).await.unwrap();
                    }
                })
            })
            .collect();
        assert_eq!(setup.service.delete(&Topic::inbox(), id).await, Ok(true));
        assert_eq!(setup.text(id).await, Ok(None));
        for reader in readers {
            reader.await.unwrap();
            assert_eq!(setup.text(id).await, Ok(None));
        }
    }
}
