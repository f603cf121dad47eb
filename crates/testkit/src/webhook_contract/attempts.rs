//! Attempts, the health that follows from them, and disabling.

use std::time::Duration;

use posthorn_application::{
    ConsumerError, LeaseUpdate, MAX_KEPT_ATTEMPTS, Precondition, PulledLeases, WebhookTarget,
};
use posthorn_domain::{
    Attempt, DisableReason, FailureReason, Timestamp, WebhookAttempt, WebhookHealth, WebhookState,
};

use super::WebhookHarness;
use super::support::{WebhookCase, attempt, broken, ids, nonce, put};
use super::watches::expect_wake;

/// The outcome of the call is the health afterwards.
pub async fn the_health_follows_the_attempts(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let record = async |attempts: &[_]| {
        let health = case
            .webhooks
            .record_attempts(&case.key, case.incarnation().await, attempts)
            .await
            .unwrap();
        assert_eq!(case.status().await.health, health);
        health
    };
    let at = |millis| Some(Timestamp::from_millis(millis));
    assert_eq!(record(&[]).await, WebhookHealth::default());
    let health = record(&[attempt(10, 204)]).await;
    let expected = WebhookHealth {
        last_success_at: at(10),
        ..WebhookHealth::default()
    };
    assert_eq!(health, expected);
    let health = record(&[attempt(20, 500), broken(30, "timed out after 15 s + 1")]).await;
    let expected = WebhookHealth {
        last_failure_at: at(30),
        failing_since: at(20),
        last_failed: true,
        last_error: Some(FailureReason::parse("timed out after 15 s + 1").unwrap()),
        ..expected
    };
    assert_eq!(health, expected);
    let health = record(&[attempt(40, 200)]).await;
    let expected = WebhookHealth {
        last_success_at: at(40),
        failing_since: None,
        last_failed: false,
        ..expected
    };
    assert_eq!(health, expected);
}

/// As that of the value, whatever the times of the attempts and their division into calls.
pub async fn every_sequence_of_attempts_gives_the_same_health(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let mut expected = WebhookHealth::default();
    let (mut number, mut attempts) = (7_u64, Vec::new());
    for _ in 0..40 {
        attempts.clear();
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        for place in 0..(number >> 60) {
            let bits = number >> (8 + 3 * place);
            let status = if bits & 1 == 0 { 200 } else { 503 };
            // Few times, so that some are equal, with and without a longer pause than a run has.
            let hours = (bits >> 1) % 32 * 8;
            attempts.push(attempt(1_000 + hours * 3_600_000, status));
        }
        for attempt in &attempts {
            expected.record(attempt);
        }
        let health = case
            .webhooks
            .record_attempts(&case.key, case.incarnation().await, &attempts)
            .await;
        assert_eq!(health, Ok(expected.clone()), "{attempts:?}");
    }
}

/// With all their fields, the newest first.
pub async fn the_last_hundred_attempts_are_kept(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let all: Vec<_> = (1..=330)
        .map(|number| match number % 3 {
            0 => attempt(number, 200),
            1 => attempt(number, 503),
            _ => broken(number, &format!("no route: {number}")),
        })
        .collect();
    let mut recorded = 0;
    for count in [1, 2, 40, 57, 30, 200] {
        let attempts = &all[recorded..recorded + count];
        case.webhooks
            .record_attempts(&case.key, case.incarnation().await, attempts)
            .await
            .unwrap();
        recorded += count;
        let kept = all[..recorded].iter().rev().take(MAX_KEPT_ATTEMPTS);
        let kept: Vec<_> = kept.cloned().collect();
        assert_eq!(case.webhooks.attempts(&case.key).await, Ok(kept));
    }
}

/// Over all processes.
pub async fn attempts_of_concurrent_calls_all_count(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let handles = [case.webhooks.clone(), harness.other_webhooks().await];
    let incarnation = case.incarnation().await;
    let calls = (0..20_usize).map(|number| {
        let (webhooks, key) = (handles[number % 2].clone(), case.key.clone());
        let at = u64::try_from(number).unwrap() + 1;
        tokio::spawn(async move {
            webhooks
                .record_attempts(&key, incarnation, &[attempt(at, 500)])
                .await
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let recorded = case.webhooks.attempts(&case.key).await.unwrap();
    let mut times = recorded.clone();
    times.sort_by_key(|attempt| attempt.at);
    assert_eq!(
        times,
        (1..=20).map(|at| attempt(at, 500)).collect::<Vec<_>>()
    );
    let health = case.status().await.health;
    let at = |attempt: Option<&WebhookAttempt>| attempt.map(|attempt| attempt.at);
    assert_eq!(health.failing_since, at(recorded.last()));
    assert_eq!(health.last_failure_at, at(recorded.first()));
}

/// A disabled webhook keeps its reason; enabling restarts the time without a success.
pub async fn a_webhook_is_disabled_and_enabled_once(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let set = async |reason| {
        case.webhooks
            .set_disabled(&case.key, reason, None)
            .await
            .unwrap()
    };
    assert!(!set(None).await);
    case.webhooks
        .record_attempts(&case.key, case.incarnation().await, &[attempt(5, 410)])
        .await
        .unwrap();
    assert!(set(Some(DisableReason::Gone)).await);
    assert!(!set(Some(DisableReason::NoSuccess)).await);
    let health = case.status().await.health;
    assert_eq!(health.disabled, Some(DisableReason::Gone));
    assert_eq!(health.failing_since, Some(Timestamp::from_millis(5)));
    assert_eq!(health.state(), WebhookState::Disabled);
    assert!(set(None).await);
    assert!(!set(None).await);
    let health = case.status().await.health;
    assert_eq!((health.disabled, health.failing_since), (None, None));
    assert_eq!(health.state(), WebhookState::Failing);
    assert!(set(Some(DisableReason::NoSuccess)).await);
    assert_eq!(
        case.status().await.health.disabled,
        Some(DisableReason::NoSuccess)
    );
}

/// Those of a deleted webhook, which another process attempted.
pub async fn attempts_count_for_their_incarnation_only(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let late = harness.other_webhooks().await;
    let first = case.incarnation().await;
    case.webhooks.put_webhook(&case.key, put(2)).await.unwrap();
    assert_eq!(case.incarnation().await, first, "a change keeps it");
    let gone = Some(DisableReason::Gone);
    let of = |incarnation, number| WebhookTarget {
        incarnation,
        url: Some(put(number).record.settings.url),
    };
    let disable = async |target| late.set_disabled(&case.key, gone, Some(&target)).await;
    assert_eq!(disable(of(first, 1)).await, Err(ConsumerError::NotFound));
    let deleted = case.consumers.delete(&case.key, &Precondition::None).await;
    deleted.unwrap();
    case.webhooks.put_webhook(&case.key, put(2)).await.unwrap();
    let second = case.incarnation().await;
    assert_ne!(second, first);
    let attempts = [attempt(1, 500)];
    let recorded = late.record_attempts(&case.key, first, &attempts).await;
    assert_eq!(recorded, Err(ConsumerError::NotFound));
    assert_eq!(disable(of(first, 2)).await, Err(ConsumerError::NotFound));
    assert_eq!(case.status().await.health, WebhookHealth::default());
    assert_eq!(case.webhooks.attempts(&case.key).await, Ok(vec![]));
    assert_eq!(disable(of(second, 2)).await, Ok(true));
}

/// Also for the process that does not know of it yet: what it gives back waits until the webhook is
/// enabled, which wakes its watchers.
pub async fn a_disabled_webhook_leases_nothing(harness: impl WebhookHarness) {
    let case = WebhookCase::new(&harness).await;
    let other = harness.other_webhooks().await;
    let given = case.append(3).await;
    let tokens = case.pull(2).await;
    let nack = LeaseUpdate::Nack {
        delay: Some(Duration::from_hours(1)),
        reason: None,
    };
    case.update(&tokens[1..], nack).await;
    let set = async |reason| other.set_disabled(&case.key, reason, None).await;
    assert_eq!(set(Some(DisableReason::Gone)).await, Ok(true));
    // A change of its settings does not enable it.
    other.put_webhook(&case.key, put(2)).await.unwrap();
    let nothing = PulledLeases::default();
    assert_eq!(case.pull_leases(3, nonce()).await, nothing);
    case.update(&tokens[..1], LeaseUpdate::Release).await;
    assert_eq!(case.pull_leases(3, nonce()).await, nothing);
    assert_eq!(case.counts().await, (3, 0, 0));
    let mut watcher = case.consumers.watch(&case.key).await.unwrap();
    assert_eq!(set(None).await, Ok(true));
    expect_wake(&mut watcher).await;
    let tokens = case.pull(3).await;
    assert_eq!(ids(&tokens), [given[0], given[2]]);
    assert_eq!(tokens[0].attempt, Attempt::FIRST);
}
