//! Waking the subscriptions to the set of webhooks, and waiting pulls.

use std::task::{Context, Waker};
use std::time::Duration;

use posthorn_application::{ConsumerError, Precondition, StoreError, Subscription};
use posthorn_domain::DisableReason;
use tokio::time::timeout;

use super::WebhookHarness;
use super::support::{WebhookCase, attempt, key, put};
use crate::samples;

/// How long a wake-up may take.
const SOON: Duration = Duration::from_secs(10);

#[track_caller]
pub(super) fn expect_wake(watcher: &mut Box<dyn Subscription>) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let woken = timeout(SOON, watcher.changed()).await;
        assert!(woken.is_ok(), "no wake-up at {caller}");
    }
}

/// A creation, a change, disabling, enabling, and a deletion.
pub async fn every_change_wakes_a_subscription(harness: impl WebhookHarness) {
    let case = WebhookCase::without_webhook(&harness);
    let watch = async || case.webhooks.watch_webhooks().await.unwrap();
    let mut watchers = [watch().await, watch().await];
    case.webhooks.put_webhook(&case.key, put(1)).await.unwrap();
    for watcher in &mut watchers {
        expect_wake(watcher).await;
    }
    let mut watcher = watch().await;
    case.webhooks.put_webhook(&case.key, put(2)).await.unwrap();
    expect_wake(&mut watcher).await;
    for reason in [Some(DisableReason::Gone), None] {
        let mut watcher = watch().await;
        assert_eq!(
            case.webhooks.set_disabled(&case.key, reason, None).await,
            Ok(true)
        );
        expect_wake(&mut watcher).await;
    }
    let mut watcher = watch().await;
    let other = key(&samples::topic("other"), "o");
    case.webhooks.put_webhook(&other, put(1)).await.unwrap();
    expect_wake(&mut watcher).await;
    let mut watcher = watch().await;
    case.consumers
        .delete(&case.key, &Precondition::None)
        .await
        .unwrap();
    expect_wake(&mut watcher).await;
}

/// So they cost nothing while messages are delivered.
pub async fn attempts_and_messages_wake_no_subscription(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    // The announcement of the creation may be on its way: it comes before that of this change.
    let mut watcher = case.webhooks.watch_webhooks().await.unwrap();
    case.webhooks.put_webhook(&case.key, put(1)).await.unwrap();
    expect_wake(&mut watcher).await;
    let last = case.webhooks.watch_webhooks().await.unwrap();
    drop(last);
    while timeout(Duration::from_millis(200), watcher.changed())
        .await
        .is_ok()
    {}
    let given = case.settle(3).await;
    case.webhooks
        .record_attempts(&case.key, case.incarnation().await, &[attempt(1, 200)])
        .await
        .unwrap();
    assert_eq!(case.requeue_all().await.queued, 3);
    assert_eq!(given.len(), 3);
    let mut context = Context::from_waker(Waker::noop());
    assert!(watcher.changed().as_mut().poll(&mut context).is_pending());
}

/// Where processes share webhooks.
pub async fn another_process_wakes_a_subscription(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let other = harness.other_webhooks().await;
    let mut watcher = other.watch_webhooks().await.unwrap();
    let gone = Some(DisableReason::Gone);
    assert_eq!(
        case.webhooks.set_disabled(&case.key, gone, None).await,
        Ok(true)
    );
    expect_wake(&mut watcher).await;
    assert_eq!(other.webhook(&case.key).await, Ok(case.status().await));
}

/// That of a consumer.
pub async fn a_requeue_wakes_a_watcher(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    case.settle(1).await;
    let mut watcher = case.consumers.watch(&case.key).await.unwrap();
    assert_eq!(case.requeue_all().await.queued, 1);
    expect_wake(&mut watcher).await;
}

/// And its subscriptions wait no more.
pub async fn a_closed_store_is_unavailable(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let mut watcher = case.webhooks.watch_webhooks().await.unwrap();
    case.store.close().await;
    expect_wake(&mut watcher).await;
    let closed = |error: Option<ConsumerError>| {
        matches!(
            error,
            Some(ConsumerError::Store(StoreError::Unavailable(_)))
        )
    };
    assert!(closed(case.webhooks.webhook(&case.key).await.err()));
    assert!(closed(
        case.webhooks.put_webhook(&case.key, put(1)).await.err()
    ));
    assert!(closed(case.webhooks.attempts(&case.key).await.err()));
    let late = case.webhooks.watch_webhooks().await;
    assert!(matches!(late.err(), Some(StoreError::Unavailable(_))));
}
