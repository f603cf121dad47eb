//! Rate, concurrency, and receivers that hang.

use std::time::Duration;

use posthorn_application::WebhookSendError;
use posthorn_domain::{DeliveryConcurrency, DeliveryRate};

use crate::model::MessageFate;
use crate::receivers::Response;
use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn the_rate_spaces_the_attempts() {
    let rig = Rig::running();
    let rate = Some(DeliveryRate::parse(2.0).unwrap());
    let key = rig.webhook("a", |settings| settings.rate = rate).await;
    rig.advance(SECOND, SECOND).await;
    rig.store.append(&key, 10);
    rig.sent("a.test", 1).await;
    let mut counts = Vec::new();
    for _ in 0..4 {
        let before = rig.receivers.sent_to("a.test").len();
        rig.advance(SECOND, Duration::from_millis(10)).await;
        counts.push(rig.receivers.sent_to("a.test").len() - before);
    }
    assert_eq!(counts, [2, 2, 2, 2]);
}

#[tokio::test]
async fn no_more_attempts_than_the_limit_are_under_way() {
    let rig = Rig::running();
    let limit = DeliveryConcurrency::new(3).unwrap();
    let key = rig
        .webhook("a", |settings| settings.max_in_flight = limit)
        .await;
    rig.receivers.respond("a.test", Response::Hang(200));
    let ids = rig.store.append(&key, 10);
    rig.sent("a.test", 3).await;
    rig.advance(5 * SECOND, SECOND).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 3);
    let is_leased = |id| matches!(rig.store.state(&key, id), MessageFate::Leased { .. });
    assert_eq!(ids.iter().filter(|id| is_leased(**id)).count(), 3);
    rig.receivers.release();
    for id in ids {
        rig.acked(&key, id).await;
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let rig = Rig::running();
    let mut hanging = Vec::new();
    for number in 0..20 {
        let name = format!("hang{number}");
        rig.receivers
            .respond(&format!("{name}.test"), Response::Hang(200));
        hanging.push(rig.webhook(&name, |_| {}).await);
    }
    let key = rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, SECOND).await;
    let ids = rig.store.append(&key, 30);
    for id in &ids {
        rig.acked(&key, *id).await;
    }
    for key in &hanging {
        let leased = ids
            .iter()
            .filter(|id| matches!(rig.store.state(key, **id), MessageFate::Leased { .. }));
        // None of them ever responded, so each gets few attempts at once.
        assert_eq!(leased.count(), 4);
    }
}

#[tokio::test]
async fn a_receiver_that_stops_responding_gets_fewer_attempts_at_once() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    for id in rig.store.append(&key, 20) {
        rig.acked(&key, id).await;
    }
    let error = Response::Error(WebhookSendError::Timeout);
    rig.receivers.respond("a.test", error);
    let ids = rig.store.append(&key, 10);
    rig.sent("a.test", 30).await;
    rig.receivers.respond("a.test", Response::Hang(200));
    rig.advance(10 * SECOND, SECOND).await;
    let is_leased = |id| matches!(rig.store.state(&key, id), MessageFate::Leased { .. });
    let leased = ids.iter().filter(|id| is_leased(**id));
    assert_eq!(
        leased.count(),
        1,
        "one, after ten attempts without a response"
    );
}
