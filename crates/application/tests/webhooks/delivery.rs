//! What is delivered, when a webhook changes, and how a dispatcher ends.

use std::time::Duration;

use posthorn_application::{AttemptOutcome, Clock, ConsumerStore, Precondition};
use posthorn_domain::{Attempt, UrlSchemes, WebhookUrl};
use posthorn_testkit::eventually;

use crate::model::MessageFate;
use crate::receivers::Response;
use crate::rig::{Rig, SOON, change, key, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn each_message_is_delivered_once_and_its_attempt_recorded() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let ids = rig.store.append(&key, 25);
    for id in &ids {
        rig.acked(&key, *id).await;
    }
    rig.advance(SECOND, SECOND).await;
    let sent = rig.receivers.sent_to("a.test");
    assert_eq!(sent.len(), 25);
    let mut texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    texts.sort_unstable();
    assert!(sent.iter().all(|id| texts.binary_search(id).is_ok()));
    let first = &rig.receivers.sent()[0];
    assert_eq!(first.event.body, first.event.id.as_bytes());
    assert_eq!(&*first.event.source, "/topics/orders");
    let recorded = rig.store.read(&key, |webhook| webhook.attempts.clone());
    assert_eq!(recorded.len(), 25);
    assert!(
        recorded
            .iter()
            .all(posthorn_domain::WebhookAttempt::succeeded)
    );
    let observed = rig.observed.attempts.lock().unwrap().clone();
    assert_eq!(observed, [AttemptOutcome::Delivered; 25]);
}

#[tokio::test]
async fn attempts_are_recorded_in_batches() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    for _ in 0..10 {
        let ids = rig.store.append(&key, 10);
        rig.acked(&key, ids[9]).await;
    }
    let before = rig.store.calls("record");
    assert!(before <= 1, "{before} records within one interval");
    rig.advance(SECOND, Duration::from_millis(50)).await;
    assert_eq!(rig.store.read(&key, |webhook| webhook.attempts.len()), 100);
    assert!(rig.store.calls("record") <= 3);
}

#[tokio::test]
async fn finished_attempts_are_settled_together() {
    let rig = Rig::running();
    let key = rig.webhook("a", |settings| {
        settings.max_in_flight = posthorn_domain::DeliveryConcurrency::new(100).unwrap();
    });
    let key = key.await;
    // Attempts at once grow with the responses.
    let ids = rig.store.append(&key, 100);
    for id in ids {
        rig.acked(&key, id).await;
    }
    let before = rig.store.calls("update");
    let ids = rig.store.append(&key, 100);
    rig.acked(&key, ids[99]).await;
    let calls = rig.store.calls("update") - before;
    assert!(calls <= 3, "{calls} calls for 100 messages");
}

#[tokio::test]
async fn an_idle_webhook_costs_nothing() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    rig.advance(SECOND, SECOND).await;
    let calls = ["pull", "update", "record"].map(|operation| rig.store.calls(operation));
    // Only the look at all webhooks goes on, every 30 seconds.
    let looks = rig.store.calls("topics");
    rig.advance(Duration::from_mins(10), SECOND).await;
    let after = ["pull", "update", "record"].map(|operation| rig.store.calls(operation));
    assert_eq!(calls, after);
    assert!((38..=44).contains(&(rig.store.calls("topics") - looks)));
}

#[tokio::test]
async fn changed_settings_are_used_by_the_next_attempts() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    let mut changed = change("a");
    changed.settings.url = WebhookUrl::parse("https://b.test/", UrlSchemes::Https).unwrap();
    rig.service.put(&key, changed).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    assert_eq!(rig.receivers.sent_to("b.test"), [ids[0].to_string()]);
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_until_the_grace_is_over() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let grace = Duration::from_mins(1);
    let rotated = rig.service.rotate_secret(&key, grace, &Precondition::None);
    assert!(rotated.await.unwrap().secret.is_some());
    let deliver = async || {
        rig.advance(SECOND, SECOND).await;
        let ids = rig.store.append(&key, 1);
        rig.acked(&key, ids[0]).await;
        rig.receivers.sent().last().unwrap().signatures
    };
    assert_eq!(deliver().await, 2);
    rig.advance(grace, SECOND).await;
    assert_eq!(deliver().await, 1);
}

#[tokio::test]
async fn a_deleted_webhook_is_left_alone_and_may_come_again() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    rig.store.delete(&key, &Precondition::None).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, SECOND).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 2);
}

#[tokio::test]
async fn a_webhook_that_comes_again_has_nothing_of_the_attempts_of_the_deleted_one() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(500));
    rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    rig.store.delete(&key, &Precondition::None).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    let mut again = change("a");
    again.settings.url = change("b").settings.url;
    rig.service.put(&key, again).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    rig.receivers.release();
    rig.advance(SECOND, SECOND).await;
    let attempts = rig.service.attempts(&key).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.status == Some(200)));
}

#[tokio::test]
async fn a_webhook_whose_secrets_are_lost_does_not_stop_the_others() {
    let rig = Rig::running();
    let lost = rig.webhook("lost", |_| {}).await;
    *rig.vault.stale_below.lock().unwrap() = (0, rig.vault.count());
    let key = rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, SECOND).await;
    let ids = rig.store.append(&key, 1);
    rig.acked(&key, ids[0]).await;
    assert!(matches!(
        rig.store.state(&lost, ids[0]),
        MessageFate::Waiting { .. }
    ));
}

#[tokio::test]
async fn a_drain_lets_attempts_finish_and_takes_no_more() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(200));
    let ids = rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    let dispatcher = std::sync::Arc::clone(&rig.dispatcher);
    let drained = tokio::spawn(async move { dispatcher.drain(Duration::from_secs(20)).await });
    settle().await;
    let later = rig.store.append(&key, 1);
    rig.advance(SECOND, SECOND).await;
    assert!(!drained.is_finished());
    rig.receivers.release();
    drained.await.unwrap();
    assert_eq!(rig.store.state(&key, ids[0]), MessageFate::Acked);
    assert_eq!(rig.receivers.sent_to("a.test").len(), 1);
    assert!(matches!(
        rig.store.state(&key, later[0]),
        MessageFate::Waiting { .. }
    ));
    // Recorded before the end, without a wait for the interval.
    assert_eq!(rig.store.read(&key, |webhook| webhook.attempts.len()), 1);
}

#[tokio::test]
async fn at_the_limit_of_a_drain_leases_are_given_back_uncounted() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(200));
    let ids = rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    let dispatcher = std::sync::Arc::clone(&rig.dispatcher);
    let drained = tokio::spawn(async move { dispatcher.drain(Duration::from_secs(5)).await });
    settle().await;
    rig.clock.advance(Duration::from_secs(5));
    drained.await.unwrap();
    let due = rig.clock.now();
    let attempt = Attempt::FIRST;
    assert_eq!(
        rig.store.state(&key, ids[0]),
        MessageFate::Waiting { due, attempt }
    );
}

#[tokio::test]
async fn a_drain_without_a_store_ends_in_time() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(200));
    rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    rig.store.fail_next("update", usize::MAX, false);
    let dispatcher = std::sync::Arc::clone(&rig.dispatcher);
    let drained = tokio::spawn(async move { dispatcher.drain(Duration::from_secs(5)).await });
    settle().await;
    rig.advance(Duration::from_secs(8), Duration::from_millis(100))
        .await;
    eventually(SOON, async || drained.is_finished()).await;
}

#[tokio::test]
async fn webhooks_are_found_at_start_and_after_a_failure_of_the_store() {
    let rig = Rig::idle();
    let key = key("a");
    rig.service.put(&key, change("a")).await.unwrap();
    let ids = rig.store.append(&key, 3);
    rig.store.fail_next("pull", 3, false);
    let dispatcher = std::sync::Arc::clone(&rig.dispatcher);
    let running = tokio::spawn(async move { dispatcher.run().await });
    rig.advance(Duration::from_secs(20), Duration::from_millis(100))
        .await;
    for id in ids {
        assert_eq!(rig.store.state(&key, id), MessageFate::Acked);
    }
    running.abort();
}
