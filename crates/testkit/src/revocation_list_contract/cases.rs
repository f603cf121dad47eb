//! Which ids are revoked, for how long, and in which processes.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::Clock;
use posthorn_domain::{MAX_TOKEN_LIFETIME, TOKEN_LEEWAY, Timestamp};

use super::{RevocationListHarness, becomes_revoked, id, is_revoked, revoke};

/// Similar ids are distinguished.
pub async fn a_revoked_id_is_revoked_and_no_other(harness: impl RevocationListHarness) {
    revoke(&harness, "id-1", harness.unit() * 60).await;
    assert!(is_revoked(&harness, "id-1").await);
    for other in ["id-2", "id-10", "ID-1", "id-", "id-1."] {
        assert!(!is_revoked(&harness, other).await, "{other}");
    }
}

/// The id is forgotten after the end, not before.
pub async fn a_revocation_ends_at_its_deadline(harness: impl RevocationListHarness) {
    let unit = harness.unit();
    revoke(&harness, "short", unit * 2).await;
    revoke(&harness, "long", unit * 60).await;
    harness.pass(unit).await;
    assert!(is_revoked(&harness, "short").await);
    harness.pass(unit + unit / 4).await;
    assert!(!is_revoked(&harness, "short").await);
    assert!(is_revoked(&harness, "long").await);
}

/// In either order.
pub async fn revoking_again_keeps_the_later_end(harness: impl RevocationListHarness) {
    let unit = harness.unit();
    revoke(&harness, "first-long", unit * 60).await;
    revoke(&harness, "first-long", unit).await;
    revoke(&harness, "first-short", unit).await;
    revoke(&harness, "first-short", unit * 60).await;
    harness.pass(unit + unit / 4).await;
    assert!(is_revoked(&harness, "first-long").await);
    assert!(is_revoked(&harness, "first-short").await);
}

/// Whether it has just passed or long ago.
pub async fn an_end_that_has_passed_revokes_nothing(harness: impl RevocationListHarness) {
    let list = harness.revocation_list();
    let now = harness.clock().now();
    for (name, until) in [("now", now), ("never", Timestamp::default())] {
        list.revoke(&id(name), until).await.unwrap();
        assert!(!is_revoked(&harness, name).await, "{name}");
    }
    revoke(&harness, "kept", harness.unit() * 60).await;
    list.revoke(&id("kept"), now).await.unwrap();
    assert!(is_revoked(&harness, "kept").await);
}

/// A wall clock that is far ahead for a while ends no revocation, and prevents none.
pub async fn a_jump_of_the_wall_clock_forgets_nothing(harness: impl RevocationListHarness) {
    let (clock, day) = (harness.clock(), Duration::from_hours(24));
    let until = clock.now().saturating_add(day);
    revoke(&harness, "before", day).await;
    clock.set_now(until.saturating_add(400 * day));
    assert!(is_revoked(&harness, "before").await);
    let list = harness.revocation_list();
    list.revoke(&id("during"), until).await.unwrap();
    clock.set_now(until.saturating_sub(day));
    assert!(is_revoked(&harness, "before").await);
    assert!(is_revoked(&harness, "during").await);
}

/// Tokens may be valid for a year.
pub async fn the_longest_revocation_is_no_error(harness: impl RevocationListHarness) {
    revoke(&harness, "year", MAX_TOKEN_LIFETIME + TOKEN_LEEWAY).await;
    assert!(is_revoked(&harness, "year").await);
}

/// Also a process that has just returned that the id is not revoked.
pub async fn other_processes_see_it_in_time(harness: impl RevocationListHarness) {
    let other = harness.other_process().await;
    assert!(!other.is_revoked(&id("id-1")).await.unwrap());
    revoke(&harness, "id-1", harness.unit() * 600).await;
    becomes_revoked(&other, "id-1").await;
}

/// If the list survives the process.
pub async fn a_revocation_survives_a_restart(mut harness: impl RevocationListHarness) {
    revoke(&harness, "id-1", harness.unit() * 600).await;
    if harness.reopen().await {
        assert!(is_revoked(&harness, "id-1").await);
        assert!(!is_revoked(&harness, "id-2").await);
    }
}

/// None is lost among the others.
pub async fn concurrent_revocations_are_all_kept(harness: impl RevocationListHarness) {
    let until = harness.clock().now().saturating_add(harness.unit() * 600);
    let mut tasks = Vec::new();
    for number in 0..100 {
        let list = Arc::clone(&harness.revocation_list());
        tasks.push(tokio::spawn(async move {
            list.revoke(&id(&format!("id-{number}")), until).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for number in 0..100 {
        assert!(
            is_revoked(&harness, &format!("id-{number}")).await,
            "{number}"
        );
    }
}
