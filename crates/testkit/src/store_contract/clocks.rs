//! For stores that read a fake clock: exact times, and a wall clock that jumps.

use std::time::Duration;

use posthorn_application::Clock;

use super::StoreHarness;
use super::support::{append, appended, check_replayed, keep_for, prune, prune_once, read_ids};
use crate::fake_clock::FakeClock;
use crate::samples::{keyed_append, topic};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);
const JUMP: Duration = Duration::from_hours(400 * 24);

/// Ids keep growing, one by one and in every topic, until the clock has caught up.
pub async fn ids_grow_when_the_wall_clock_goes_back(harness: impl StoreHarness) {
    let (store, topic, clock) = (harness.store(), topic("a"), clock(&harness));
    let mut given = Vec::new();
    let jumps = [0, 1_000_000, 999_999, 0, 5, 1_000_001, 3];
    for jump in jumps {
        clock.set_now(FakeClock::START.saturating_sub(Duration::from_millis(jump)));
        for _ in 0..3 {
            given.push(append(&*store, &topic, "text").await.id);
        }
    }
    assert!(given.is_sorted_by(|a, b| a < b));
    assert_eq!(read_ids(&*store, &topic).await, given);
}

/// The time of acceptance is that of the clock.
pub async fn messages_are_dated_by_the_clock(harness: impl StoreHarness) {
    let (store, topic, clock) = (harness.store(), topic("a"), clock(&harness));
    for _ in 0..3 {
        clock.advance(Duration::from_millis(1_234));
        let receipt = append(&*store, &topic, "text").await;
        assert_eq!(receipt.processed_at, clock.now());
        let held = store
            .get(&topic, receipt.id)
            .await
            .expect("readable")
            .expect("held");
        assert_eq!(held.processed_at, clock.now());
    }
}

/// A message is pruned one millisecond after the greatest age to keep.
pub async fn the_age_limit_is_exact(harness: impl StoreHarness) {
    let (store, topic, clock) = (harness.store(), topic("a"), clock(&harness));
    let age = Duration::from_hours(1);
    append(&*store, &topic, "text").await;
    clock.advance(age);
    assert_eq!(prune(&*store, keep_for(age)).await, 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(prune(&*store, keep_for(age)).await, 1);
}

/// A wall clock that is far ahead for a while removes no message and forgets no key. What is accepted
/// afterwards has the right time, and retention continues.
pub async fn a_jump_of_the_wall_clock_removes_nothing(harness: impl StoreHarness) {
    let (store, topic, clock) = (harness.store(), topic("a"), clock(&harness));
    let first = appended(&*store, keyed_append(&topic, "text", "key", 24 * HOUR)).await;
    clock.set_now(FakeClock::START.saturating_add(JUMP));
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    let during = appended(&*store, keyed_append(&topic, "text", "during", 24 * HOUR)).await;
    check_replayed(&*store, &topic, "key", &first).await;
    clock.set_now(FakeClock::START);
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    check_replayed(&*store, &topic, "key", &first).await;
    check_replayed(&*store, &topic, "during", &during).await;

    let after = appended(&*store, keyed_append(&topic, "text", "after", 24 * HOUR)).await;
    assert!(after.receipt.id > during.receipt.id);
    assert_eq!(after.receipt.processed_at, FakeClock::START);
    check_replayed(&*store, &topic, "after", &after).await;
    let held = store.get(&topic, after.receipt.id).await.expect("readable");
    assert_eq!(held.expect("held").processed_at, FakeClock::START);
    let given = [&first, &during, &after].map(|appended| appended.receipt.id);
    assert_eq!(read_ids(&*store, &topic).await, given);
    let outcome = prune_once(&*store, keep_for(WEEK), 10).await;
    assert_eq!(outcome.id_lead, JUMP);

    clock.advance(WEEK);
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    for key in ["key", "during", "after"] {
        let again = appended(&*store, keyed_append(&topic, "other", key, HOUR)).await;
        assert!(!again.replayed, "{key}");
    }
    clock.advance(MILLISECOND);
    // The last of them is outside the policy, and so is every earlier one.
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 3);
    clock.advance(WEEK);
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 3);
}

/// A wall clock that goes back far removes nothing when it returns, and dates nothing before what was
/// there.
pub async fn a_wall_clock_that_was_behind_removes_nothing(harness: impl StoreHarness) {
    let (store, topic, clock) = (harness.store(), topic("a"), clock(&harness));
    let first = append(&*store, &topic, "text").await;
    clock.set_now(FakeClock::START.saturating_sub(JUMP));
    let second = append(&*store, &topic, "text").await;
    assert_eq!(second.processed_at, FakeClock::START);
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    clock.set_now(FakeClock::START);
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    assert_eq!(read_ids(&*store, &topic).await, [first.id, second.id]);
}

/// A wall clock that stays ahead is believed after an hour.
pub async fn a_steady_wall_clock_is_believed(harness: impl StoreHarness) {
    let (store, topic, clock) = (harness.store(), topic("a"), clock(&harness));
    append(&*store, &topic, "text").await;
    clock.set_now(FakeClock::START.saturating_add(JUMP));
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    clock.advance(HOUR.saturating_sub(MILLISECOND));
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 0);
    clock.advance(MILLISECOND);
    assert_eq!(prune(&*store, keep_for(WEEK)).await, 1);
}

fn clock(harness: &impl StoreHarness) -> &FakeClock {
    harness.clock().expect("the store reads a fake clock")
}
