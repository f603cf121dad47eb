//! Waking waiting pulls.

use std::time::Duration;

use posthorn_application::{ConsumerError, LeaseUpdate, Precondition, StoreError, Subscription};
use posthorn_domain::{ConsumerOptions, ConsumerPosition};
use tokio::time::timeout;

use super::ConsumerHarness;
use super::support::{ConsumerCase, LONG, SOON, lease, nack, options, put};

async fn watch(case: &ConsumerCase) -> Box<dyn Subscription> {
    case.consumers.watch(&case.key).await.unwrap()
}

async fn is_woken(watcher: &mut Box<dyn Subscription>) -> bool {
    timeout(SOON, watcher.changed()).await.is_ok()
}

/// Every one of them, and also where the append came before the wait.
pub async fn an_append_wakes_a_watcher(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let mut watchers = [watch(&case).await, watch(&case).await];
    case.append(1).await;
    for watcher in &mut watchers {
        assert!(is_woken(watcher).await);
    }
    let [mut watcher, _] = watchers;
    let waiting = tokio::spawn(async move { is_woken(&mut watcher).await });
    tokio::task::yield_now().await;
    case.append(1).await;
    assert!(waiting.await.unwrap());
}

/// A rejection (also with a delay, which changes when something is due), a shorter lease, a return,
/// freed capacity, a redrive, a seek, new settings.
pub async fn every_step_that_frees_a_message_wakes_a_watcher(harness: impl ConsumerHarness) {
    let tight = ConsumerOptions {
        max_attempts: Some(2),
        max_in_flight: Some(2),
        ..options()
    };
    let case = ConsumerCase::new(&harness, tight.clone()).await;
    case.append(5).await;
    let leases = case.pull(2).await;
    let expect_wake = async |step: &str, watcher: &mut Box<dyn Subscription>| {
        assert!(is_woken(watcher).await, "{step}");
    };

    let mut watcher = watch(&case).await;
    case.ack(&leases[..1]).await;
    expect_wake("an acknowledgement at max_in_flight", &mut watcher).await;

    let mut watcher = watch(&case).await;
    case.update(&leases[1..], nack(Some(LONG), None)).await;
    expect_wake("a rejection", &mut watcher).await;

    let leases = case.pull(1).await;
    let mut watcher = watch(&case).await;
    let shorter = LeaseUpdate::Extend(Some(lease(Duration::from_secs(40_000))));
    case.update(&leases, shorter).await;
    expect_wake("a shorter lease", &mut watcher).await;

    let mut watcher = watch(&case).await;
    let returned = case.consumers.give_back(&case.key, leases[0].token.nonce);
    returned.await.unwrap();
    expect_wake("a return", &mut watcher).await;

    for _ in 0..2 {
        let leases = case.pull(1).await;
        case.update(&leases, nack(Some(Duration::ZERO), None)).await;
    }
    let mut watcher = watch(&case).await;
    assert_eq!(case.redrive_all().await.redriven, 1);
    expect_wake("a redrive", &mut watcher).await;

    let mut watcher = watch(&case).await;
    case.seek(ConsumerPosition::Oldest).await;
    expect_wake("a seek", &mut watcher).await;

    let mut watcher = watch(&case).await;
    case.consumers.put(&case.key, put(tight)).await.unwrap();
    expect_wake("new settings", &mut watcher).await;
}

/// So that the pull sees that its consumer is gone. A consumer that is created again wakes too.
pub async fn a_deletion_wakes_a_watcher(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let mut watcher = watch(&case).await;
    let deleted = case.consumers.delete(&case.key, &Precondition::None).await;
    assert_eq!(deleted, Ok(()));
    assert!(is_woken(&mut watcher).await);
    let status = case.consumers.status(&case.key).await;
    assert_eq!(status, Err(ConsumerError::NotFound));
    case.create(&case.key, options()).await;
    while timeout(Duration::from_millis(300), watcher.changed())
        .await
        .is_ok()
    {}
    case.append(1).await;
    assert!(is_woken(&mut watcher).await);
}

/// The next wait returns for what came during the first.
pub async fn a_dropped_wait_misses_nothing(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let mut watcher = watch(&case).await;
    for _ in 0..5 {
        while timeout(Duration::from_millis(50), watcher.changed())
            .await
            .is_ok()
        {}
        case.append(1).await;
        assert!(is_woken(&mut watcher).await);
    }
}

/// By an append, by a rejection and by a shorter lease there.
pub async fn another_process_wakes_a_watcher(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let other = ConsumerCase {
        store: harness.other_process().await,
        consumers: harness.other_consumers().await,
        ..ConsumerCase::without_consumer(&harness)
    };
    let mut watcher = watch(&case).await;
    other.append(1).await;
    assert!(is_woken(&mut watcher).await);
    let leases = other.pull(1).await;
    let mut watcher = watch(&case).await;
    other.nack(&leases, None).await;
    assert!(is_woken(&mut watcher).await);

    let leases = other.pull(1).await;
    let mut watcher = watch(&case).await;
    // A store may wake a new watcher without a cause.
    while timeout(Duration::from_millis(1_500), watcher.changed())
        .await
        .is_ok()
    {}
    let shorter = LeaseUpdate::Extend(Some(lease(Duration::from_secs(10))));
    other.update(&leases, shorter).await;
    assert!(is_woken(&mut watcher).await);
}

/// By every operation, and watchers wake.
pub async fn a_closed_store_is_unavailable(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let mut watcher = watch(&case).await;
    case.store.close().await;
    assert!(is_woken(&mut watcher).await);
    let is_unavailable =
        |error: ConsumerError| matches!(error, ConsumerError::Store(StoreError::Unavailable(_)));
    let status = case.consumers.status(&case.key).await;
    assert!(status.is_err_and(is_unavailable));
    let pulled = case
        .consumers
        .pull(&case.key, super::support::request(1, None));
    assert!(pulled.await.is_err_and(is_unavailable));
    let put = case.consumers.put(&case.key, put(options())).await;
    assert!(put.is_err_and(is_unavailable));
    let watch = case.consumers.watch(&case.key).await;
    assert!(watch.is_err_and(is_unavailable));
}
