//! A store that fails, loses replies or is slow.

use std::time::Duration;

use posthorn_application::Clock;
use posthorn_domain::{Attempt, ConsumerKey};
use posthorn_testkit::samples;

use crate::model::MessageFate;
use crate::receivers::Response;
use crate::rig::{Rig, change, key};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_damaged_topic_stops_no_other() {
    let rig = Rig::running();
    let key_of = |topic: &str| ConsumerKey {
        topic: samples::topic(topic),
        ..key("a")
    };
    let [before, damaged, after] = ["early", "mid", "late"].map(key_of);
    rig.service.put(&before, change("early")).await.unwrap();
    rig.service.put(&damaged, change("mid")).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    *rig.store.damaged.lock().unwrap() = Some(damaged.topic.clone());
    rig.service.put(&after, change("late")).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    // The worker of the damaged topic goes on with what it knows.
    for key in [before, damaged, after] {
        let id = rig.store.append(&key, 1)[0];
        rig.acked(&key, id).await;
    }
}

#[tokio::test]
async fn a_topic_that_the_index_lost_keeps_its_webhooks() {
    let rig = Rig::running();
    let lost = rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, SECOND).await;
    *rig.store.unlisted.lock().unwrap() = Some(lost.topic.clone());
    let other = ConsumerKey {
        topic: samples::topic("other"),
        ..key("b")
    };
    rig.service.put(&other, change("b")).await.unwrap();
    rig.advance(60 * SECOND, SECOND).await;
    for key in [&lost, &other] {
        let id = rig.store.append(key, 1)[0];
        rig.acked(key, id).await;
    }
}

#[tokio::test]
async fn an_acknowledgement_is_repeated_until_the_store_has_it() {
    for with_effect in [false, true] {
        let rig = Rig::running();
        let key = rig.webhook("a", |_| {}).await;
        rig.store.fail_next("update", 4, with_effect);
        let id = rig.store.append(&key, 1)[0];
        rig.sent("a.test", 1).await;
        rig.advance(10 * SECOND, STEP).await;
        rig.acked(&key, id).await;
        assert_eq!(rig.store.calls("update"), 5);
        assert_eq!(rig.receivers.sent_to("a.test").len(), 1);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_settled_comes_again_only_after_its_lease() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.store.fail_next("update", usize::MAX, false);
    rig.store.append(&key, 1);
    rig.sent("a.test", 1).await;
    // The lease holds 30 seconds: 15 for the attempt and 15 to settle.
    rig.advance(29 * SECOND, STEP).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 1);
    rig.store.fail_next("update", 0, false);
    rig.advance(5 * SECOND, STEP).await;
    // The receiver would have noticed two attempts at once.
    assert!(rig.receivers.sent_to("a.test").len() <= 2);
}

#[tokio::test]
async fn leases_of_a_lost_pull_are_given_back() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, STEP).await;
    rig.store.fail_next("pull", 1, true);
    let id = rig.store.append(&key, 1)[0];
    rig.advance(5 * SECOND, STEP).await;
    rig.acked(&key, id).await;
    let attempts = rig.service.attempts(&key).await.unwrap();
    assert_eq!(attempts[0].attempt, Attempt::FIRST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_came_too_late_is_given_back_without_an_attempt() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, STEP).await;
    *rig.store.pull_takes.lock().unwrap() = 12 * SECOND;
    let before = rig.clock.monotonic();
    let id = rig.store.append(&key, 1)[0];
    posthorn_testkit::eventually(10 * SECOND, async || {
        rig.clock.monotonic() >= before + 24 * SECOND
    })
    .await;
    assert!(rig.receivers.sent_to("a.test").is_empty());
    *rig.store.pull_takes.lock().unwrap() = Duration::ZERO;
    rig.acked(&key, id).await;
    let attempts = rig.store.calls("update");
    assert!(attempts >= 2, "released at least once, then acknowledged");
}

#[tokio::test]
async fn a_lease_covers_an_attempt_that_started_before_a_change_of_the_time_limit() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.advance(SECOND, STEP).await;
    rig.receivers.respond("a.test", Response::Hang(200));
    // The worker learns of the change later than the store.
    rig.webhook("a", |settings| {
        settings.timeout = posthorn_domain::AttemptTimeout::parse(1.0).unwrap();
    })
    .await;
    let id = rig.store.append(&key, 1)[0];
    rig.sent("a.test", 1).await;
    let MessageFate::Leased { end, .. } = rig.store.state(&key, id) else {
        panic!("not leased");
    };
    assert!(end >= rig.clock.now().saturating_add(15 * SECOND));
}

#[tokio::test]
async fn attempts_that_could_not_be_recorded_are_recorded_later() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Status(200));
    rig.store.fail_next("record", 3, false);
    let ids = rig.store.append(&key, 5);
    for id in ids {
        rig.acked(&key, id).await;
    }
    rig.advance(3 * SECOND, STEP).await;
    assert_eq!(rig.store.read(&key, |webhook| webhook.attempts.len()), 5);
    let state = rig.store.append(&key, 1)[0];
    rig.becomes(&key, state, |state| *state == MessageFate::Acked)
        .await;
}
