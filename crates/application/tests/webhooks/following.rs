//! Changes by the process that delivers: it follows them before their calls return. The clock stands
//! still, so that no look at all webhooks comes in between.

use std::time::Duration;

use posthorn_application::Precondition;
use posthorn_domain::DeliveryRate;
use posthorn_testkit::eventually;

use crate::receivers::Response;
use crate::rig::{Rig, SOON, change, key, settle};

/// A webhook whose worker runs.
async fn rig() -> Rig {
    let rig = Rig::running();
    settle().await;
    let key = rig.webhook("a", |_| {}).await;
    rig.advance(Duration::from_secs(1), Duration::from_secs(1))
        .await;
    deliver(&rig).await;
    assert_eq!(rig.receivers.sent().len(), 1);
    assert_eq!(key, self::key("a"));
    rig
}

/// Delivers a message and returns how many secrets signed it.
async fn deliver(rig: &Rig) -> usize {
    let ids = rig.store.append(&key("a"), 1);
    rig.acked(&key("a"), ids[0]).await;
    rig.receivers.sent().last().unwrap().signatures
}

#[tokio::test]
async fn the_next_attempt_is_signed_by_the_new_secret() {
    let rig = rig().await;
    for (grace, signatures) in [(Duration::from_mins(1), 2), (Duration::ZERO, 1)] {
        let (key, precondition) = (key("a"), Precondition::None);
        let rotated = rig.local.rotate_secret(&key, grace, &precondition).await;
        rotated.unwrap();
        assert_eq!(deliver(&rig).await, signatures);
    }
}

#[tokio::test]
async fn the_next_attempt_goes_to_the_new_url() {
    let rig = rig().await;
    rig.local.put(&key("a"), change("b")).await.unwrap();
    deliver(&rig).await;
    assert_eq!(rig.receivers.sent_to("b.test").len(), 1);
}

#[tokio::test]
async fn a_new_webhook_delivers_and_a_deleted_one_does_not() {
    let rig = rig().await;
    rig.local.put(&key("c"), change("c")).await.unwrap();
    deliver(&rig).await;
    rig.sent("c.test", 1).await;
    rig.receivers.respond("c.test", Response::Hang(200));
    deliver(&rig).await;
    rig.sent("c.test", 2).await;
    rig.local
        .delete(&key("c"), &Precondition::None)
        .await
        .unwrap();
    eventually(SOON, async || rig.receivers.under_way("c.test") == 0).await;
}

#[tokio::test]
async fn a_change_returns_also_if_nothing_is_delivered() {
    let rig = Rig::idle();
    assert!(rig.local.put(&key("a"), change("a")).await.is_ok());
}

#[tokio::test]
async fn a_higher_rate_does_not_wait_for_the_time_of_the_old_one() {
    let rig = rig().await;
    let rate = |per_second| {
        let mut change = change("a");
        change.settings.rate = Some(DeliveryRate::parse(per_second).unwrap());
        change
    };
    rig.local.put(&key("a"), rate(0.001)).await.unwrap();
    let ids = rig.store.append(&key("a"), 4);
    rig.sent("a.test", 2).await;
    rig.local.put(&key("a"), rate(5.0)).await.unwrap();
    rig.advance(Duration::from_secs(1), Duration::from_millis(10))
        .await;
    for id in ids {
        rig.acked(&key("a"), id).await;
    }
}
