//! For stores that read a fake clock: exact times, and a wall clock that jumps.

use std::time::Duration;

use posthorn_application::Clock;

use super::StoreHarness;
use super::support::{append, keep_for, prune, read_ids};
use crate::fake_clock::FakeClock;
use crate::samples::topic;

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
        assert_eq!(receipt.processed_at(), clock.now());
        let held = store
            .get(&topic, receipt.id)
            .await
            .expect("readable")
            .expect("held");
        assert_eq!(held.processed_at(), clock.now());
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

fn clock(harness: &impl StoreHarness) -> &FakeClock {
    harness.clock().expect("the store reads a fake clock")
}
