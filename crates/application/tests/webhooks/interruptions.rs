//! Attempts under way when their webhook is deleted or gets another URL.

use std::time::Duration;

use posthorn_application::{ConsumerStore, Precondition};
use posthorn_domain::{DeliveryConcurrency, WebhookHealth};
use posthorn_testkit::eventually;

use crate::receivers::Response;
use crate::rig::{Rig, SOON, change, key, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_deletion_breaks_off_attempts_also_where_no_more_may_start() {
    let rig = Rig::running();
    let key = rig.webhook("a", |settings| {
        settings.max_in_flight = DeliveryConcurrency::new(1).unwrap();
    });
    let key = key.await;
    rig.receivers.respond("a.test", Response::Hang(200));
    rig.store.append(&key, 2);
    rig.sent("a.test", 1).await;
    rig.store.delete(&key, &Precondition::None).await.unwrap();
    rig.advance(SECOND, Duration::from_millis(10)).await;
    eventually(SOON, async || rig.receivers.under_way("a.test") == 0).await;
}

#[tokio::test]
async fn a_new_url_breaks_off_the_attempts_to_the_old_one() {
    let rig = Rig::running();
    let key = rig.webhook("a", |settings| {
        settings.max_in_flight = DeliveryConcurrency::new(2).unwrap();
    });
    let key = key.await;
    rig.receivers.respond("a.test", Response::Hang(200));
    let ids = rig.store.append(&key, 3);
    rig.sent("a.test", 2).await;
    let mut moved = change("b");
    moved.settings.max_in_flight = DeliveryConcurrency::new(2).unwrap();
    rig.service.put(&key, moved).await.unwrap();
    rig.advance(SECOND, Duration::from_millis(10)).await;
    for id in ids {
        rig.acked(&key, id).await;
    }
    assert_eq!(rig.receivers.under_way("a.test"), 0);
    assert_eq!(rig.receivers.sent_to("b.test").len(), 3);
}

#[tokio::test]
async fn other_settings_leave_the_attempts_under_way() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(200));
    let ids = rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    let mut changed = change("a");
    changed.settings.max_in_flight = DeliveryConcurrency::new(2).unwrap();
    rig.service.put(&key, changed).await.unwrap();
    rig.advance(SECOND, Duration::from_millis(10)).await;
    assert_eq!(rig.receivers.under_way("a.test"), 1);
    rig.receivers.release();
    rig.acked(&key, ids[0]).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 1);
}

/// Deletes the webhook and creates it anew before a dispatcher can look.
async fn create_again(rig: &Rig) {
    rig.store
        .delete(&key("a"), &Precondition::None)
        .await
        .unwrap();
    rig.service.put(&key("a"), change("a")).await.unwrap();
}

#[tokio::test]
async fn attempts_of_a_deleted_webhook_are_not_recorded_in_the_next_one() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Status(500));
    rig.store.append(&key, 1);
    eventually(SOON, async || rig.store.calls("record") == 1).await;
    // This attempt waits for the next record.
    rig.store.append(&key, 1);
    rig.sent("a.test", 2).await;
    settle().await;
    rig.receivers.respond("a.test", Response::Status(200));
    create_again(&rig).await;
    rig.advance(SECOND, Duration::from_millis(10)).await;
    let webhook = rig.service.get(&key).await.unwrap();
    assert_eq!(webhook.status.health, WebhookHealth::default());
    assert_eq!(rig.service.attempts(&key).await.unwrap(), []);
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
}

#[tokio::test]
async fn gone_does_not_disable_the_next_webhook_of_the_name() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(410));
    rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    create_again(&rig).await;
    rig.receivers.release();
    rig.receivers.respond("a.test", Response::Status(200));
    rig.advance(5 * SECOND, Duration::from_millis(100)).await;
    let disabled = rig.store.read(&key, |webhook| webhook.health.disabled);
    assert_eq!(disabled, None);
    assert!(rig.observed.disabled.lock().unwrap().is_empty());
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
}
