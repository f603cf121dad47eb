//! Attempts that fail: schedules, `Retry-After`, 410, and five days without a success.

use std::time::Duration;

use posthorn_application::{AttemptOutcome, Clock, RetryAfter, WebhookSendError};
use posthorn_domain::{
    Attempt, ConsumerKey, DisableReason, ForbiddenAddress, MessageId, Timestamp,
};
use posthorn_testkit::eventually;

use crate::model::MessageFate;
use crate::receivers::Response;
use crate::rig::{Rig, SOON, change, schedule};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Waits until the message waits, and returns how long and for which attempt.
async fn wait_of(rig: &Rig, key: &ConsumerKey, id: MessageId) -> (Duration, u16) {
    rig.becomes(key, id, |state| {
        matches!(state, MessageFate::Waiting { due, .. }
        if *due > rig.clock.now())
    })
    .await;
    match rig.store.state(key, id) {
        MessageFate::Waiting { due, attempt } => {
            let wait = due.as_millis() - rig.clock.now().as_millis();
            (Duration::from_millis(wait), attempt.get())
        }
        other => panic!("{other:?}"),
    }
}

/// The process has no connection left: that is no attempt.
#[tokio::test]
async fn an_exhausted_process_uses_no_attempt_up() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    let exhausted = Response::Error(WebhookSendError::Exhausted);
    rig.receivers.respond("a.test", exhausted);
    let id = rig.store.append(&key, 1)[0];
    for _ in 0..20 {
        rig.advance(Duration::from_secs(5), Duration::from_secs(5))
            .await;
    }
    let tried = rig.receivers.sent().len();
    assert!((5..=30).contains(&tried), "{tried}");
    assert_eq!(rig.service.attempts(&key).await.unwrap(), []);
    rig.receivers.respond("a.test", Response::Status(204));
    rig.advance(Duration::from_secs(5), Duration::from_secs(5))
        .await;
    rig.acked(&key, id).await;
    let attempts = rig.service.attempts(&key).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].attempt.get(), 1);
}

#[tokio::test]
async fn the_schedule_decides_the_waits_and_the_end() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Status(500));
    let id = rig.store.append(&key, 1)[0];
    assert_eq!(wait_of(&rig, &key, id).await, (SECOND, 2));
    rig.advance(SECOND - MILLISECOND, SECOND).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 1);
    rig.advance(MILLISECOND, MILLISECOND).await;
    rig.sent("a.test", 2).await;
    assert_eq!(wait_of(&rig, &key, id).await, (5 * SECOND, 3));
    rig.advance(5 * SECOND, SECOND).await;
    rig.becomes(&key, id, |state| matches!(state, MessageFate::Dead { .. }))
        .await;
    let MessageFate::Dead { attempt, reason } = rig.store.state(&key, id) else {
        panic!("not dead");
    };
    assert_eq!(attempt, Attempt::new(3).unwrap());
    assert_eq!(reason.unwrap().as_str(), "status 500");
    rig.advance(SECOND, SECOND).await;
    let health = rig.store.read(&key, |webhook| webhook.health.clone());
    assert!(health.last_failed);
    assert_eq!(
        *rig.observed.attempts.lock().unwrap(),
        [AttemptOutcome::Rejected; 3]
    );
}

#[tokio::test]
async fn everything_but_2xx_is_a_failure_and_its_reason_says_why() {
    let responses = [
        (Response::Status(302), "status 302"),
        (Response::Status(404), "status 404"),
        (Response::Status(101), "status 101"),
        (
            Response::Error(WebhookSendError::Timeout),
            "no response in time",
        ),
        (
            Response::Error(WebhookSendError::Forbidden(ForbiddenAddress::Private)),
            "the receiver has a private address, which is forbidden",
        ),
        (
            Response::Error(WebhookSendError::Failed("bad\nline".to_owned())),
            "the request failed: badline",
        ),
    ];
    for (response, expected) in responses {
        let rig = Rig::running();
        let key = rig
            .webhook("a", |settings| settings.schedule = schedule(&[0.0]))
            .await;
        rig.receivers.respond("a.test", response);
        let id = rig.store.append(&key, 1)[0];
        rig.becomes(&key, id, |state| matches!(state, MessageFate::Dead { .. }))
            .await;
        let MessageFate::Dead { reason, .. } = rig.store.state(&key, id) else {
            panic!("not dead");
        };
        assert_eq!(reason.unwrap().as_str(), expected);
    }
}

#[tokio::test]
async fn retry_after_replaces_the_wait_of_the_schedule_up_to_a_day() {
    let rig = Rig::running();
    let at = rig.clock.now().saturating_add(91 * SECOND);
    let day = Duration::from_hours(24);
    let short = Duration::from_millis(200);
    let cases = [
        ("seconds", RetryAfter::Delay(7 * SECOND), 7 * SECOND),
        ("shorter", RetryAfter::Delay(short), short),
        ("date", RetryAfter::At(at), 90 * SECOND),
        (
            "long",
            RetryAfter::Delay(Duration::from_secs(u64::MAX)),
            day,
        ),
        ("far", RetryAfter::At(Timestamp::MAX), day),
        // None of these is a wait: the schedule decides.
        ("zero", RetryAfter::Delay(Duration::ZERO), SECOND),
        ("past", RetryAfter::At(rig.clock.now()), SECOND),
    ];
    let mut keys = Vec::new();
    for (name, retry_after, _) in cases {
        keys.push(rig.webhook(name, |_| {}).await);
        rig.receivers.respond(
            &format!("{name}.test"),
            Response::RetryAfter(503, retry_after),
        );
    }
    rig.advance(SECOND, SECOND).await;
    let id = rig.store.append(&keys[0], 1)[0];
    for (key, (name, _, expected)) in keys.iter().zip(cases) {
        assert_eq!(wait_of(&rig, key, id).await, (expected, 2), "{name}");
    }
}

#[tokio::test]
async fn gone_disables_and_the_message_waits_for_its_first_attempt_again() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Status(410));
    let id = rig.store.append(&key, 1)[0];
    eventually(SOON, async || {
        let disabled = rig.store.read(&key, |webhook| webhook.health.disabled);
        disabled == Some(DisableReason::Gone)
    })
    .await;
    let attempt = Attempt::FIRST;
    rig.becomes(&key, id, |state| {
        matches!(state, MessageFate::Waiting { attempt: of, .. }
        if *of == attempt)
    })
    .await;
    // Nothing is sent while it is disabled.
    rig.receivers.respond("a.test", Response::Status(200));
    rig.store.append(&key, 1);
    rig.advance(Duration::from_mins(2), SECOND).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 1);
    assert_eq!(
        *rig.observed.disabled.lock().unwrap(),
        [DisableReason::Gone]
    );
    let attempts = rig.service.attempts(&key).await.unwrap();
    assert_eq!(attempts[0].status, Some(410));
    rig.service.enable(&key).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    rig.acked(&key, id).await;
    assert_eq!(rig.receivers.sent_to("a.test").len(), 3);
}

#[tokio::test]
async fn gone_is_a_plain_failure_if_the_webhook_cannot_be_disabled() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Status(410));
    rig.store.fail_next("disable", usize::MAX, false);
    let id = rig.store.append(&key, 1)[0];
    rig.sent("a.test", 1).await;
    rig.advance(5 * SECOND, Duration::from_millis(100)).await;
    rig.becomes(&key, id, |state| {
        matches!(state, MessageFate::Waiting { attempt, .. }
        | MessageFate::Leased { attempt, .. } if attempt.get() >= 2)
    })
    .await;
}

#[tokio::test]
async fn gone_does_not_disable_a_webhook_that_has_moved_meanwhile() {
    let rig = Rig::running();
    let key = rig.webhook("a", |_| {}).await;
    rig.receivers.respond("a.test", Response::Hang(410));
    let id = rig.store.append(&key, 1)[0];
    rig.sent("a.test", 1).await;
    let mut moved = change("a");
    moved.settings.url = change("b").settings.url;
    rig.service.put(&key, moved).await.unwrap();
    // Before the worker knows the new URL.
    rig.receivers.release();
    rig.advance(5 * SECOND, Duration::from_millis(100)).await;
    rig.acked(&key, id).await;
    assert_eq!(rig.receivers.sent_to("b.test").len(), 1);
    assert_eq!(
        rig.store.read(&key, |webhook| webhook.health.disabled),
        None
    );
}

#[tokio::test]
async fn five_days_without_a_success_disable() {
    let rig = Rig::running();
    let waits = [0.0, 0.0];
    let key = rig
        .webhook("a", |settings| settings.schedule = schedule(&waits))
        .await;
    let is_disabled = || {
        rig.store
            .read(&key, |webhook| webhook.health.disabled.is_some())
    };
    let hours = |hours| Duration::from_hours(hours);
    rig.receivers.respond("a.test", Response::Status(503));
    for (sent, wait) in [(3, 47), (6, 47), (9, 25), (12, 1)] {
        rig.store.append(&key, 1);
        rig.sent("a.test", sent).await;
        rig.advance(SECOND, SECOND).await;
        assert!(!is_disabled(), "before five days");
        rig.advance(hours(wait), hours(1)).await;
    }
    rig.store.append(&key, 1);
    rig.sent("a.test", 13).await;
    rig.advance(SECOND, SECOND).await;
    assert!(is_disabled(), "after five days");
    assert_eq!(
        *rig.observed.disabled.lock().unwrap(),
        [DisableReason::NoSuccess]
    );
    // Enabling starts the count anew.
    rig.service.enable(&key).await.unwrap();
    rig.advance(SECOND, SECOND).await;
    let sent = rig.receivers.sent_to("a.test").len();
    rig.store.append(&key, 1);
    rig.sent("a.test", sent + 1).await;
    rig.advance(SECOND, SECOND).await;
    assert!(!is_disabled());
}

#[tokio::test]
async fn a_success_starts_the_five_days_anew() {
    let rig = Rig::running();
    let key = rig
        .webhook("a", |settings| settings.schedule = schedule(&[0.0]))
        .await;
    for response in [503, 503, 503, 200, 503, 503, 503] {
        attempt_after(&rig, &key, response, Duration::from_hours(40)).await;
    }
    assert_eq!(
        rig.store.read(&key, |webhook| webhook.health.disabled),
        None
    );
}

/// Also a clock that jumps, or a server that is off.
#[tokio::test]
async fn two_failures_with_nothing_in_between_do_not_disable() {
    let rig = Rig::running();
    let key = rig
        .webhook("a", |settings| settings.schedule = schedule(&[0.0]))
        .await;
    for _ in 0..3 {
        attempt_after(&rig, &key, 503, Duration::from_hours(6 * 24)).await;
    }
    assert_eq!(
        rig.store.read(&key, |webhook| webhook.health.disabled),
        None
    );
}

/// Lets `pause` pass, then attempts one message.
async fn attempt_after(rig: &Rig, key: &ConsumerKey, response: u16, pause: Duration) {
    rig.advance(pause, Duration::from_hours(1)).await;
    rig.receivers.respond("a.test", Response::Status(response));
    let sent = rig.receivers.sent_to("a.test").len();
    rig.store.append(key, 1);
    rig.sent("a.test", sent + 1).await;
    rig.advance(SECOND, SECOND).await;
}
