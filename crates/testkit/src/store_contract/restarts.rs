//! For stores with persistent data: everything survives a restart.

use std::time::Duration;

use posthorn_application::{Anchor, PageLimit};

use super::StoreHarness;
use super::support::{
    LONG, append, append_many, appended, check_replayed, keep_count, keep_for, list_topics, page,
    prune, prune_everything, read_all, read_ids,
};
use crate::fake_clock::FakeClock;
use crate::samples::{keyed_append, topic};

const DAY: Duration = Duration::from_hours(24);

/// Messages, and the absence of deleted ones.
pub async fn messages_survive_a_restart(mut harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 5).await;
    assert_eq!(store.delete(&topic, given[1]).await, Ok(true));
    let (held, listed) = (read_all(&*store, &topic).await, list_topics(&*store).await);
    drop(store);
    reopen(&mut harness).await;
    let store = harness.store();
    assert_eq!(read_all(&*store, &topic).await, held);
    assert_eq!(list_topics(&*store).await, listed);
    assert_eq!(store.get(&topic, given[1]).await, Ok(None));
}

/// Also if everything was removed and, with a fake clock, the wall clock went back meanwhile.
pub async fn ids_keep_growing_after_a_restart(mut harness: impl StoreHarness) {
    let topic = topic("a");
    let mut last = append(&*harness.store(), &topic, "text").await.id;
    for round in 0..3 {
        match round {
            0 => prune_everything(&harness).await,
            1 => assert_eq!(harness.store().delete(&topic, last).await, Ok(true)),
            _ => {}
        }
        if let Some(clock) = harness.clock() {
            clock.set_now(FakeClock::START.saturating_sub(Duration::from_hours(round)));
        }
        reopen(&mut harness).await;
        let next = append(&*harness.store(), &topic, "text").await.id;
        assert!(next > last, "round {round}");
        last = next;
    }
}

/// Keys, with their receipts.
pub async fn keys_survive_a_restart(mut harness: impl StoreHarness) {
    let topic = topic("a");
    let first = appended(&*harness.store(), keyed_append(&topic, "text", "key", LONG)).await;
    reopen(&mut harness).await;
    let again = appended(&*harness.store(), keyed_append(&topic, "text", "key", LONG)).await;
    assert!(again.replayed);
    assert_eq!(again.receipt, first.receipt);
    assert_eq!(
        read_ids(&*harness.store(), &topic).await,
        [first.receipt.id]
    );
}

/// A reader learns what retention removed before the restart.
pub async fn truncation_survives_a_restart(mut harness: impl StoreHarness) {
    let topic = topic("a");
    let given = append_many(&*harness.store(), &topic, 3).await;
    assert_eq!(prune(&*harness.store(), keep_count(1)).await, 2);
    reopen(&mut harness).await;
    let store = harness.store();
    assert!(
        !page(&*store, &topic, Anchor::After(given[2]), PageLimit::MAX)
            .await
            .truncated
    );
    for (id, truncated) in [(given[0], true), (given[1], false), (given[2], false)] {
        let found = page(&*store, &topic, Anchor::After(id), PageLimit::MAX).await;
        assert_eq!(found.truncated, truncated, "{id}");
        assert_eq!(found.pruned, Some(given[1]), "{id}");
    }
}

/// A process that starts while the wall clock is far ahead removes no message and forgets no key, nor
/// does the next one.
pub async fn a_jump_over_a_restart_removes_nothing(mut harness: impl StoreHarness) {
    let topic = topic("a");
    let first = appended(&*harness.store(), keyed_append(&topic, "text", "key", LONG)).await;
    for jump in [400, 800, 0, 0] {
        let Some(clock) = harness.clock() else { return };
        clock.set_now(FakeClock::START.saturating_add(jump * DAY));
        reopen(&mut harness).await;
        let store = harness.store();
        assert_eq!(prune(&*store, keep_for(7 * DAY)).await, 0);
        check_replayed(&*store, &topic, "key", &first).await;
    }
    let after = append(&*harness.store(), &topic, "text").await;
    assert_eq!(after.processed_at, FakeClock::START);
}

/// After a week without a process, retention begins an hour late.
pub async fn retention_continues_after_a_long_stop(mut harness: impl StoreHarness) {
    let topic = topic("a");
    append(&*harness.store(), &topic, "text").await;
    let Some(clock) = harness.clock() else { return };
    clock.set_now(FakeClock::START.saturating_add(8 * DAY));
    reopen(&mut harness).await;
    let young = append(&*harness.store(), &topic, "text").await;
    assert_eq!(prune(&*harness.store(), keep_for(7 * DAY)).await, 0);
    harness.pass(Duration::from_hours(1)).await;
    assert_eq!(prune(&*harness.store(), keep_for(7 * DAY)).await, 1);
    assert_eq!(read_ids(&*harness.store(), &topic).await, [young.id]);
}

async fn reopen(harness: &mut impl StoreHarness) {
    assert!(harness.reopen().await, "the store keeps its data");
}
