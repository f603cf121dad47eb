//! The breaker, its watch and the fallback over the cache port, with a fake clock.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthorn_application::{
    BackendError, Breaker, BreakerSettings, BreakerState, Cache, DependencyObserver, Fallback,
};
use posthorn_testkit::{CacheCall, FakeCache, FakeClock, FakeDependency, eventually};

const SOON: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Observed(Mutex<Vec<bool>>);

impl DependencyObserver for Observed {
    fn dependency_changed(&self, name: &'static str, up: bool) {
        assert_eq!(name, "redis");
        self.0.lock().unwrap().push(up);
    }
}

struct Setup {
    clock: Arc<FakeClock>,
    observed: Arc<Observed>,
    breaker: Arc<Breaker>,
    primary: Arc<FakeCache<Vec<u8>>>,
    secondary: Arc<FakeCache<Vec<u8>>>,
    cache: Fallback<dyn Cache<Vec<u8>>>,
}

fn setup() -> Setup {
    let clock = Arc::new(FakeClock::new());
    let observed = Arc::new(Observed::default());
    let told = Arc::clone(&observed) as Arc<dyn DependencyObserver>;
    let breaker = Arc::new(Breaker::new("redis", BreakerSettings::default(), told));
    let primary = Arc::new(FakeCache::new(Arc::clone(&clock)));
    let secondary = Arc::new(FakeCache::new(Arc::clone(&clock)));
    let cache = Fallback::new(
        Arc::clone(&primary) as Arc<dyn Cache<Vec<u8>>>,
        Arc::clone(&secondary) as Arc<dyn Cache<Vec<u8>>>,
        Arc::clone(&breaker),
    );
    Setup {
        clock,
        observed,
        breaker,
        primary,
        secondary,
        cache,
    }
}

fn unavailable() -> BackendError {
    BackendError::Unavailable("as the test wants".to_owned())
}

/// Moves the clock on in small steps until `state` is reached; gives the time that took.
async fn advance_until(setup: &Setup, state: BreakerState, most: Duration) -> Duration {
    let step = Duration::from_millis(10);
    let mut passed = Duration::ZERO;
    while setup.breaker.state() != state {
        assert!(passed < most, "not {state:?} after {passed:?}");
        setup.clock.wait_for_sleepers(1).await;
        setup.clock.advance(step);
        passed += step;
        // The watch needs a few turns to notice, look and go to sleep again.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    passed
}

/// Watches over the dependency until the task is aborted.
fn watch(setup: &Setup, dependency: &Arc<FakeDependency>) -> tokio::task::JoinHandle<()> {
    let (breaker, clock) = (Arc::clone(&setup.breaker), Arc::clone(&setup.clock));
    let dependency = Arc::clone(dependency);
    tokio::spawn(async move { breaker.watch(&*dependency, &*clock).await })
}

#[tokio::test]
async fn the_secondary_serves_after_a_transient_failure() {
    let setup = setup();
    setup.primary.fail_next(1, unavailable());
    setup.cache.set("k", &b"v".to_vec(), TTL).await.unwrap();
    assert_eq!(
        setup.secondary.get("k").await.unwrap().as_deref(),
        Some(&b"v"[..])
    );
    assert_eq!(
        setup.breaker.state(),
        BreakerState::Closed,
        "one failure is not an outage"
    );
}

#[tokio::test]
async fn a_permanent_error_is_returned_and_does_not_open_the_breaker() {
    let setup = setup();
    let refused = BackendError::Failed("wrong type".to_owned());
    for _ in 0..10 {
        setup.primary.fail_next(1, refused.clone());
        assert_eq!(setup.cache.get("k").await, Err(refused.clone()));
    }
    assert_eq!(setup.breaker.state(), BreakerState::Closed);
    assert!(setup.secondary.calls().is_empty());
}

#[tokio::test]
async fn the_third_failure_in_a_row_opens_the_breaker_and_the_primary_is_left_alone() {
    let setup = setup();
    setup.primary.fail_next(usize::MAX, unavailable());
    for _ in 0..10 {
        assert_eq!(setup.cache.get("k").await, Ok(None));
    }
    assert_eq!(setup.primary.calls().len(), 3);
    assert_eq!(setup.secondary.calls().len(), 10);
    assert_eq!(*setup.observed.0.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn successes_between_failures_keep_the_breaker_closed() {
    let setup = setup();
    for _ in 0..5 {
        setup.primary.fail_next(2, unavailable());
        for _ in 0..3 {
            setup.cache.get("k").await.unwrap();
        }
    }
    assert_eq!(setup.breaker.state(), BreakerState::Closed);
}

#[tokio::test]
async fn deletes_and_clears_reach_the_secondary_too() {
    let setup = setup();
    setup
        .secondary
        .set("k", &b"old".to_vec(), TTL)
        .await
        .unwrap();
    assert!(setup.cache.delete("k").await.unwrap());
    setup.cache.clear().await.unwrap();
    assert_eq!(setup.secondary.get("k").await, Ok(None));
    assert!(setup.primary.calls().contains(&CacheCall::Clear));
    assert!(setup.secondary.calls().contains(&CacheCall::Clear));
}

#[tokio::test]
async fn the_watch_detects_a_loss_and_the_recovery_without_traffic() {
    let setup = setup();
    let dependency = Arc::new(FakeDependency::default());
    let watch = watch(&setup, &dependency);
    dependency.go_down("refused");
    let lost = advance_until(&setup, BreakerState::Open, Duration::from_secs(2)).await;
    assert!(
        lost <= Duration::from_millis(1100),
        "noticed after {lost:?}"
    );
    // A long outage: checks continue at growing intervals.
    let checks = dependency.checks();
    for _ in 0..600 {
        setup.clock.wait_for_sleepers(1).await;
        setup.clock.advance(Duration::from_millis(100));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    let probes = dependency.checks() - checks;
    assert!((25..=70).contains(&probes), "{probes} probes in a minute");
    dependency.go_up();
    let back = advance_until(&setup, BreakerState::Closed, Duration::from_secs(3)).await;
    assert!(back <= Duration::from_millis(2100), "back after {back:?}");
    assert_eq!(
        *setup.observed.0.lock().unwrap(),
        [true, false, true],
        "each change is told once"
    );
    watch.abort();
}

#[tokio::test]
async fn a_loss_detected_by_a_request_is_checked_at_once() {
    let setup = setup();
    let dependency = Arc::new(FakeDependency::default());
    let watch = watch(&setup, &dependency);
    setup.clock.wait_for_sleepers(1).await;
    setup.breaker.open(&"a request noticed");
    let back = advance_until(&setup, BreakerState::Closed, SOON).await;
    assert!(back <= Duration::from_millis(250), "back after {back:?}");
    watch.abort();
    eventually(SOON, async || setup.clock.sleepers() == 0).await;
}

#[tokio::test]
async fn a_breaker_that_reopens_is_closed_later_each_time_until_it_stays_closed() {
    let setup = setup();
    let dependency = Arc::new(FakeDependency::default());
    let watch = watch(&setup, &dependency);
    setup.clock.wait_for_sleepers(1).await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        // The probe finds nothing wrong, requests do.
        setup.breaker.open(&"a request was refused");
        waits.push(advance_until(&setup, BreakerState::Closed, SOON).await);
    }
    assert!(waits[0] <= Duration::from_millis(250), "{waits:?}");
    assert!(
        waits[6..]
            .iter()
            .all(|wait| *wait >= Duration::from_secs(1)),
        "{waits:?}"
    );
    for _ in 0..320 {
        setup.clock.wait_for_sleepers(1).await;
        setup.clock.advance(Duration::from_millis(100));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    setup.breaker.open(&"a request noticed");
    let back = advance_until(&setup, BreakerState::Closed, SOON).await;
    assert!(back <= Duration::from_millis(250), "back after {back:?}");
    watch.abort();
}
