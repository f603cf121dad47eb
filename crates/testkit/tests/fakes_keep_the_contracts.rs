//! The fakes keep the contracts of the ports: who tests with them tests with the real thing.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    AppendError, BackendError, Cache, Dependency, DependencyError, MessageStore, QuotaCounter,
    RevocationList, StoreError,
};
use posthorn_testkit::{
    CacheCall, CacheHarness, FakeCache, FakeClock, FakeDependency, FakeQuotaCounter,
    FakeRevocationList, FakeStore, QuotaHarness, RevocationListHarness, StoreHarness,
    cache_contract_tests, quota_clock_tests, quota_contract, quota_contract_tests,
    revocation_list_contract_tests, samples, store_clock_tests, store_contract_tests,
    store_model_tests,
};

struct Harness {
    clock: Arc<FakeClock>,
    store: Arc<FakeStore>,
    cache: Arc<FakeCache<Vec<u8>>>,
    quotas: Arc<FakeQuotaCounter>,
    revocations: Arc<FakeRevocationList>,
}

impl Harness {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
        let cache = Arc::new(FakeCache::new(Arc::clone(&clock)));
        let quotas = Arc::new(FakeQuotaCounter::new(Arc::clone(&clock), false));
        let revocations = Arc::new(FakeRevocationList::new(Arc::clone(&clock)));
        Self {
            clock,
            store,
            cache,
            quotas,
            revocations,
        }
    }
}

#[async_trait]
impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn MessageStore> {
        self.store.clone()
    }

    async fn lose(&mut self) -> bool {
        self.store = Arc::new(FakeStore::new(Arc::clone(&self.clock)));
        true
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

impl CacheHarness for Harness {
    fn cache(&self) -> Arc<dyn Cache<Vec<u8>>> {
        self.cache.clone()
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

impl QuotaHarness for Harness {
    fn counter(&self) -> Arc<dyn QuotaCounter> {
        self.quotas.clone()
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

impl RevocationListHarness for Harness {
    fn revocation_list(&self) -> Arc<dyn RevocationList> {
        self.revocations.clone()
    }

    fn clock(&self) -> &FakeClock {
        &self.clock
    }
}

store_contract_tests!(Harness::new());
revocation_list_contract_tests!(Harness::new());
store_clock_tests!(Harness::new());
store_model_tests!(cases = 32, Harness::new());
cache_contract_tests!(Harness::new());
quota_contract_tests!(Harness::new());
quota_clock_tests!(cases = 64, Harness::new());

#[tokio::test]
async fn a_quota_counter_fails_as_often_as_it_was_told_and_counts_nothing_then() {
    let counter = Harness::new().quotas;
    let strategy = quota_contract::STRATEGIES[0];
    let (key, rule) = (
        quota_contract::key("k"),
        quota_contract::rule("1/day", strategy),
    );
    let error = BackendError::Unavailable("as the test wants".to_owned());
    counter.fail_next(1, error.clone());
    assert_eq!(counter.hit(&key, &rule).await, Err(error));
    assert!(counter.hit(&key, &rule).await.unwrap().allowed);
}

#[tokio::test]
async fn a_cache_fails_as_often_as_it_was_told() {
    let cache = FakeCache::default();
    let down = BackendError::Unavailable("down".to_owned());
    cache.fail_next(1, down.clone());
    assert_eq!(
        cache
            .set("key", &b"value".to_vec(), Duration::from_secs(1))
            .await,
        Err(down)
    );
    assert_eq!(cache.get("key").await, Ok(None));
    let calls = [
        CacheCall::Set("key".to_owned(), Duration::from_secs(1)),
        CacheCall::Get("key".to_owned()),
    ];
    assert_eq!(cache.calls(), calls);
}

#[tokio::test]
async fn a_store_fails_as_often_as_it_was_told_and_does_nothing_then() {
    let (store, topic) = (FakeStore::default(), samples::topic("a"));
    let down = StoreError::Unavailable("down".to_owned());
    store.fail_next(2, down.clone());
    let failed = store.append(samples::append(&topic, "text")).await;
    assert_eq!(failed, Err(AppendError::Store(down.clone())));
    assert_eq!(store.health().await, Err(down));
    let id = store
        .append(samples::append(&topic, "text"))
        .await
        .unwrap()
        .receipt
        .id;
    assert_eq!(id.sequence(), 1);
}

#[tokio::test]
async fn a_dependency_answers_as_it_was_told() {
    let dependency = FakeDependency::default();
    assert_eq!(dependency.check().await, Ok(()));
    dependency.go_down("refused");
    assert_eq!(
        dependency.check().await,
        Err(DependencyError("refused".to_owned()))
    );
    dependency.go_up();
    assert_eq!(dependency.check().await, Ok(()));
    assert_eq!(dependency.checks(), 3);
}
