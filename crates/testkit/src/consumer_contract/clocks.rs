//! Times to the millisecond, for stores whose clock the test moves.

use std::time::Duration;

use posthorn_application::{Clock, DeliveryState, LeaseUpdate};
use posthorn_domain::{ConsumerOptions, FailureReason};

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, attempt, attempts, counts, dead_ids, ids, lease, nack, one_attempt, options, put,
};
use crate::fake_clock::FakeClock;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn just_before(duration: Duration) -> Duration {
    duration.saturating_sub(MILLISECOND)
}

fn clock(harness: &impl ConsumerHarness) -> &FakeClock {
    harness.clock().expect("a store with a fake clock")
}

/// One millisecond before its end it is valid, at its end it is not.
pub async fn a_lease_ends_to_the_millisecond(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    case.append(2).await;
    let (leases, pulled) = case.pull_for(2, lease(10 * SECOND)).await;
    let end = clock.now().saturating_add(10 * SECOND);
    assert_eq!(pulled.messages[0].expires_at, end);
    clock.advance(just_before(10 * SECOND));
    assert_eq!(case.pull(2).await, []);
    assert_eq!(case.ack(&leases[..1]).await, [true]);
    clock.advance(MILLISECOND);
    assert_eq!(case.ack(&leases).await, [false, false]);
    assert_eq!(ids(&case.pull(2).await), ids(&leases[1..]));
}

/// By the length of the call, or of the settings.
pub async fn an_extension_counts_from_now(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    case.append(1).await;
    let (leases, _) = case.pull_for(1, lease(10 * SECOND)).await;
    clock.advance(9 * SECOND);
    for (length, expected) in [
        (Some(lease(20 * SECOND)), 20 * SECOND),
        (None, 43_200 * SECOND),
    ] {
        let tokens = [leases[0].token];
        let update = LeaseUpdate::Extend(length);
        let extended = case
            .consumers
            .update_leases(&case.key, &tokens, update)
            .await
            .unwrap();
        let end = clock.now().saturating_add(expected);
        assert_eq!(
            (extended.valid, extended.expires_at),
            (vec![true], Some(end))
        );
    }
    clock.advance(just_before(43_200 * SECOND));
    case.check_counts(counts(0, 1, 0, 0)).await;
    clock.advance(MILLISECOND);
    case.check_counts(counts(1, 0, 0, 0)).await;
}

/// However late the store looks.
pub async fn a_backoff_counts_from_the_end_of_the_lease(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        backoff_seconds: Some(vec![30.0]),
        ..options()
    };
    let (case, clock) = (ConsumerCase::new(&harness, options).await, clock(&harness));
    case.append(1).await;
    case.pull_for(1, lease(10 * SECOND)).await;
    clock.advance(39 * SECOND);
    let (none, outcome) = case.pull_for(1, None).await;
    assert_eq!((none, outcome.next_due), (vec![], Some(SECOND)));
    clock.advance(SECOND);
    assert_eq!(attempts(&case.pull(1).await), [2]);
}

/// The last wait repeats; a delay of the call replaces it.
pub async fn the_backoff_follows_its_schedule(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        backoff_seconds: Some(vec![0.0, 0.5, 7.0]),
        max_attempts: Some(10),
        ..options()
    };
    let (case, clock) = (ConsumerCase::new(&harness, options).await, clock(&harness));
    case.append(1).await;
    let waits = [0, 500, 7_000, 7_000, 7_000].map(Duration::from_millis);
    for (wait, number) in waits.into_iter().zip(1..) {
        let leases = case.pull(1).await;
        assert_eq!(attempts(&leases), [number]);
        case.nack(&leases, None).await;
        if !wait.is_zero() {
            clock.advance(just_before(wait));
            assert_eq!(case.pull(1).await, []);
            clock.advance(MILLISECOND);
        }
    }
    let leases = case.pull(1).await;
    case.update(&leases, nack(Some(SECOND), None)).await;
    clock.advance(SECOND);
    assert_eq!(attempts(&case.pull(1).await), [7]);
}

/// Zero too, and a day.
pub async fn a_delay_is_exact(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    case.append(1).await;
    let day = Duration::from_hours(24);
    for delay in [MILLISECOND, day, Duration::ZERO] {
        let leases = case.pull(1).await;
        assert_eq!(leases.len(), 1);
        case.update(&leases, nack(Some(delay), None)).await;
        if !delay.is_zero() {
            clock.advance(just_before(delay));
            assert_eq!(case.pull(1).await, []);
            clock.advance(MILLISECOND);
        }
    }
    assert_eq!(case.pull(1).await.len(), 1);
}

/// Whatever the order in which they were rejected.
pub async fn entries_come_by_due_time_and_then_in_store_order(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    let given = case.append(5).await;
    let leases = case.pull(4).await;
    for (place, seconds) in [(3, 2), (0, 3), (2, 2), (1, 1)] {
        let delay = Some(seconds * SECOND);
        case.update(&leases[place..=place], nack(delay, None)).await;
    }
    clock.advance(3 * SECOND);
    let pulled = case.pull(10).await;
    assert_eq!(ids(&pulled), [1, 2, 3, 0, 4].map(|place| given[place]));
}

/// An expired lease is waiting, or dead, before anybody pulls.
pub async fn counts_are_of_the_moment(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        max_attempts: Some(2),
        ..options()
    };
    let (case, clock) = (ConsumerCase::new(&harness, options).await, clock(&harness));
    let given = case.append(3).await;
    let first = case.pull(1).await;
    case.nack(&first, None).await;
    case.pull_for(2, lease(SECOND)).await;
    clock.advance(just_before(SECOND));
    case.check_counts(counts(1, 2, 0, 0)).await;
    clock.advance(MILLISECOND);
    case.check_counts(counts(2, 0, 1, 0)).await;
    let status = case.status().await;
    assert_eq!(status.oldest_waiting_at, Some(given[1].timestamp()));
    let dead = case.dead().await;
    assert_eq!(dead_ids(&dead), given[..1]);
    assert_eq!(dead[0].died_at, clock.now());
    assert_eq!(dead[0].reason, Some(FailureReason::lease_expired()));
}

/// The first end of a lease or due time, also at `max_in_flight`.
pub async fn the_next_due_time_is_announced(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    case.append(2).await;
    let leases = case.pull(1).await;
    case.update(&leases, nack(Some(5 * SECOND), None)).await;
    case.pull_for(1, lease(7 * SECOND)).await;
    let next = async || case.pull_for(1, None).await.1.next_due;
    assert_eq!(next().await, Some(5 * SECOND));
    clock.advance(4 * SECOND);
    assert_eq!(next().await, Some(SECOND));
    clock.advance(SECOND);
    let (again, outcome) = case.pull_for(1, None).await;
    assert_eq!((again.len(), outcome.next_due), (1, Some(2 * SECOND)));
    assert_eq!(case.ack(&again).await, [true]);
    clock.advance(2 * SECOND);
    let (last, _) = case.pull_for(1, None).await;
    assert_eq!(case.ack(&last).await, [true]);
    assert_eq!(next().await, None);
}

/// Which were in force when it ended.
pub async fn an_expired_lease_follows_the_settings_before_a_put(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    case.append(2).await;
    case.pull_for(1, lease(SECOND)).await;
    clock.advance(SECOND);
    let changed = case.consumers.put(&case.key, put(one_attempt())).await;
    assert_eq!(changed.unwrap().status.counts, counts(2, 0, 0, 0));
    // It is handed out once more, and dies then.
    let again = case.pull(1).await;
    assert_eq!(attempts(&again), [2]);
    case.nack(&again, None).await;
    case.check_counts(counts(1, 0, 1, 0)).await;
}

/// By retention or by a client: the expiry came first.
pub async fn an_expired_lease_dies_before_its_message_is_removed(harness: impl ConsumerHarness) {
    let (case, clock) = (
        ConsumerCase::new(&harness, one_attempt()).await,
        clock(&harness),
    );
    let given = case.append(3).await;
    case.pull_for(2, lease(SECOND)).await;
    clock.advance(SECOND);
    case.delete(given[0]).await;
    case.keep(1).await;
    case.check_counts(counts(1, 0, 2, 0)).await;
    assert_eq!(dead_ids(&case.dead().await), given[..2]);
}

/// And changes nothing else.
pub async fn a_clock_that_is_set_back_makes_leases_longer(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    let given = case.append(2).await;
    let (leases, _) = case.pull_for(1, lease(10 * SECOND)).await;
    let start = clock.now();
    clock.advance(9 * SECOND);
    clock.set_now(start.saturating_sub(60 * SECOND));
    case.check_counts(counts(1, 1, 0, 0)).await;
    clock.advance(60 * SECOND);
    assert_eq!(ids(&case.pull(10).await), given[1..]);
    assert_eq!(case.ack(&leases).await, [true]);
}

/// Leases end by the wall clock, as they began; messages expire by the trusted time.
pub async fn retention_ends_no_lease_while_the_clock_is_set_back(harness: impl ConsumerHarness) {
    let (case, clock) = (ConsumerCase::with_defaults(&harness).await, clock(&harness));
    let given = case.append(2).await;
    clock.set_now(clock.now().saturating_sub(3600 * SECOND));
    let (leases, _) = case.pull_for(2, lease(10 * SECOND)).await;
    case.keep(1).await;
    assert_eq!(case.ack(&leases[1..]).await, [true]);
    case.append(1).await;
    assert_eq!(ids(&leases), given);
}

/// The state of its message, before anybody pulls.
pub async fn an_expired_lease_is_waiting_or_dead(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        backoff_seconds: Some(vec![30.0]),
        max_attempts: Some(2),
        ..options()
    };
    let (case, clock) = (ConsumerCase::new(&harness, options).await, clock(&harness));
    let id = case.append(1).await[0];
    case.pull_for(1, lease(10 * SECOND)).await;
    let end = clock.now().saturating_add(10 * SECOND);
    clock.advance(10 * SECOND);
    let waiting = DeliveryState::Waiting {
        attempt: attempt(2),
        due_at: Some(end.saturating_add(30 * SECOND)),
        reason: Some(FailureReason::lease_expired()),
    };
    assert_eq!(case.state(id).await, Some(waiting));
    clock.advance(30 * SECOND);
    case.pull_for(1, lease(10 * SECOND)).await;
    clock.advance(10 * SECOND);
    let dead = DeliveryState::Dead {
        attempts: attempt(2),
        reason: Some(FailureReason::lease_expired()),
        died_at: end.saturating_add(40 * SECOND),
    };
    assert_eq!(case.state(id).await, Some(dead));
}
