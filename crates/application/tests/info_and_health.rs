//! `InfoService` and `HealthService` against fakes, with a fake clock.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AppIdentity, BackendError, Breaker, BreakerSettings, CacheDependency, CheckOutcome,
    DependencyObserver, HealthCheck, HealthService, HealthStatus, InfoService, Lifecycle,
    MessageStore, Phase, StoreDependency, StoreError,
};
use posthorn_domain::Timestamp;
use posthorn_testkit::{FakeCache, FakeClock, FakeStore};

fn identity(environment: &str) -> AppIdentity {
    AppIdentity {
        name: "posthorn".into(),
        version: "1".into(),
        environment: environment.into(),
        instance: "pod".into(),
    }
}

struct Info {
    clock: Arc<FakeClock>,
    cache: Arc<FakeCache<Timestamp>>,
}

impl Info {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::new());
        Self {
            cache: Arc::new(FakeCache::new(Arc::clone(&clock))),
            clock,
        }
    }

    fn service(&self, identity: AppIdentity) -> InfoService {
        InfoService::new(
            identity,
            Arc::clone(&self.cache) as _,
            Arc::clone(&self.clock) as _,
        )
    }
}

#[tokio::test]
async fn info_is_cached_for_300_seconds() {
    let setup = Info::new();
    let service = setup.service(identity("testing"));
    let first = service.info().await;
    setup.clock.advance(Duration::from_secs(299));
    assert_eq!(service.info().await, first);
    setup.clock.advance(Duration::from_secs(1));
    let later = service.info().await;
    assert_eq!(
        later.timestamp,
        first.timestamp.saturating_add(Duration::from_mins(5))
    );
}

#[tokio::test]
async fn two_environments_with_one_cache_do_not_return_each_others_snapshot() {
    let setup = Info::new();
    let first = setup.service(identity("testing")).info().await;
    setup.clock.advance(Duration::from_secs(10));
    let second = setup.service(identity("production")).info().await;
    assert_ne!(first.timestamp, second.timestamp);
    assert_eq!(&*second.identity.environment, "production");
}

#[tokio::test]
async fn an_unreadable_cached_value_is_a_miss() {
    let setup = Info::new();
    let service = setup.service(identity("testing"));
    service.info().await;
    setup.clock.advance(Duration::from_secs(1));
    let unreadable = BackendError::Failed("a cached value cannot be read".to_owned());
    setup.cache.fail_next(1, unreadable);
    let renewed = service.info().await;
    assert_eq!(
        renewed.timestamp,
        posthorn_application::Clock::now(&*setup.clock)
    );
    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(
        service.info().await,
        renewed,
        "the unreadable value was replaced"
    );
}

#[tokio::test]
async fn info_needs_no_cache() {
    let setup = Info::new();
    let service = setup.service(identity("testing"));
    for error in [
        BackendError::Unavailable(String::new()),
        BackendError::Failed(String::new()),
    ] {
        setup.cache.fail_next(usize::MAX, error);
        assert_eq!(&*service.info().await.identity.name, "posthorn");
    }
}

/// After this time a check is made again.
const AGE: Duration = Duration::from_millis(100);

struct Quiet;

impl DependencyObserver for Quiet {
    fn dependency_changed(&self, _name: &'static str, _up: bool) {}
}

struct Health {
    clock: Arc<FakeClock>,
    cache: Arc<FakeCache<Timestamp>>,
    store: Arc<FakeStore>,
    breaker: Arc<Breaker>,
    lifecycle: Arc<Lifecycle>,
    service: HealthService,
}

fn health(with_redis: bool) -> Health {
    let clock = Arc::new(FakeClock::new());
    let cache = Arc::new(FakeCache::new(Arc::clone(&clock)));
    let store = Arc::new(FakeStore::new(Arc::clone(&clock)));
    let breaker = Arc::new(Breaker::new(
        "redis",
        BreakerSettings::default(),
        Arc::new(Quiet),
    ));
    let lifecycle = Arc::new(Lifecycle::new());
    let stored = Arc::new(StoreDependency(Arc::clone(&store) as _));
    let cached = Arc::new(CacheDependency(Arc::clone(&cache) as _));
    let mut checks = vec![
        HealthCheck::new("cache", false, cached),
        HealthCheck::new("store", true, stored),
    ];
    if with_redis {
        checks.push(HealthCheck::new("redis", false, Arc::clone(&breaker) as _));
    }
    let service = HealthService::new(checks, Arc::clone(&lifecycle), Arc::clone(&clock) as _);
    Health {
        clock,
        cache,
        store,
        breaker,
        lifecycle,
        service,
    }
}

#[tokio::test]
async fn all_is_healthy_and_a_check_may_be_absent() {
    let report = health(false).service.report().await;
    assert_eq!(report.status, HealthStatus::Healthy);
    assert_eq!(report.check("redis"), None);
    assert_eq!(report.check("cache"), Some(CheckOutcome::Ok));
    assert_eq!(report.check("store"), Some(CheckOutcome::Ok));
}

#[tokio::test]
async fn a_lost_redis_degrades_and_a_lost_store_is_unhealthy() {
    let setup = health(true);
    assert_eq!(setup.service.report().await.status, HealthStatus::Healthy);
    setup.breaker.open(&"as the test wants");
    setup.clock.advance(AGE);
    let report = setup.service.report().await;
    assert_eq!(
        (report.status, report.check("redis")),
        (HealthStatus::Degraded, Some(CheckOutcome::Error))
    );
    setup
        .store
        .fail_next(usize::MAX, StoreError::Unavailable(String::new()));
    setup.clock.advance(AGE);
    let report = setup.service.report().await;
    assert_eq!(
        (report.status, report.check("store")),
        (HealthStatus::Unhealthy, Some(CheckOutcome::Error))
    );
}

#[tokio::test]
async fn a_cache_that_fails_degrades() {
    let setup = health(false);
    setup
        .cache
        .fail_next(usize::MAX, BackendError::Failed(String::new()));
    let report = setup.service.report().await;
    assert_eq!(
        (report.status, report.check("cache")),
        (HealthStatus::Degraded, Some(CheckOutcome::Error))
    );
}

/// Ready by a check of its own: the last result is too old.
async fn is_ready(setup: &Health) -> bool {
    setup.clock.advance(AGE);
    setup.service.check_readiness().await.is_ok()
}

#[tokio::test]
async fn readiness_needs_a_started_process_that_can_store_and_does_not_drain() {
    let setup = health(true);
    assert!(!is_ready(&setup).await && !setup.service.is_started());
    setup.lifecycle.advance(Phase::Ready);
    assert!(is_ready(&setup).await && setup.service.is_started());
    setup
        .breaker
        .open(&"a lost cache is no reason to send traffic elsewhere");
    assert!(is_ready(&setup).await);
    setup
        .store
        .fail_next(1, StoreError::Unavailable(String::new()));
    assert!(!is_ready(&setup).await);
    assert!(is_ready(&setup).await);
    setup.store.close().await;
    assert!(!is_ready(&setup).await);
    let setup = health(false);
    setup.lifecycle.advance(Phase::Draining);
    assert!(!is_ready(&setup).await && setup.service.is_started());
}

#[tokio::test]
async fn callers_share_a_check_of_the_last_tenth_of_a_second() {
    let setup = health(false);
    setup.lifecycle.advance(Phase::Ready);
    let error = StoreError::Unavailable(String::new());
    setup.store.fail_next(1, error);
    let (first, second) = tokio::join!(
        setup.service.check_readiness(),
        setup.service.check_readiness()
    );
    assert!(first.is_err() && second.is_err());
    setup.clock.advance(Duration::from_millis(99));
    assert!(setup.service.check_readiness().await.is_err());
    setup.clock.advance(Duration::from_millis(1));
    assert!(setup.service.check_readiness().await.is_ok());
}
