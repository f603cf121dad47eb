//! What is denied, for how long, and to whom that is known.

use std::sync::Arc;

use posthorn_application::{Clock, MAX_TOKEN_LIFETIME, TOKEN_LEEWAY};
use posthorn_domain::Timestamp;

use super::{DenyListHarness, becomes_denied, deny, id, is_denied};

/// Ids that differ in little are told apart.
pub async fn a_denied_id_is_denied_and_no_other(harness: impl DenyListHarness) {
    deny(&harness, "id-1", harness.unit() * 60).await;
    assert!(is_denied(&harness, "id-1").await);
    for other in ["id-2", "id-10", "ID-1", "id-", "id-1."] {
        assert!(!is_denied(&harness, other).await, "{other}");
    }
}

/// It is forgotten after its end, not before.
pub async fn a_denial_ends_when_it_was_said_to(harness: impl DenyListHarness) {
    let unit = harness.unit();
    deny(&harness, "short", unit * 2).await;
    deny(&harness, "long", unit * 60).await;
    harness.pass(unit).await;
    assert!(is_denied(&harness, "short").await);
    harness.pass(unit + unit / 4).await;
    assert!(!is_denied(&harness, "short").await);
    assert!(is_denied(&harness, "long").await);
}

/// In either order.
pub async fn denying_again_keeps_the_later_end(harness: impl DenyListHarness) {
    let unit = harness.unit();
    deny(&harness, "first-long", unit * 60).await;
    deny(&harness, "first-long", unit).await;
    deny(&harness, "first-short", unit).await;
    deny(&harness, "first-short", unit * 60).await;
    harness.pass(unit + unit / 4).await;
    assert!(is_denied(&harness, "first-long").await);
    assert!(is_denied(&harness, "first-short").await);
}

/// Neither by a little nor by a lot.
pub async fn an_end_that_has_passed_denies_nothing(harness: impl DenyListHarness) {
    let list = harness.deny_list();
    let now = harness.clock().now();
    for (name, until) in [("now", now), ("never", Timestamp::default())] {
        list.deny(&id(name), until).await.unwrap();
        assert!(!is_denied(&harness, name).await, "{name}");
    }
    deny(&harness, "kept", harness.unit() * 60).await;
    list.deny(&id("kept"), now).await.unwrap();
    assert!(is_denied(&harness, "kept").await);
}

/// Tokens may live for a year.
pub async fn the_longest_denial_is_no_error(harness: impl DenyListHarness) {
    deny(&harness, "year", MAX_TOKEN_LIFETIME + TOKEN_LEEWAY).await;
    assert!(is_denied(&harness, "year").await);
}

/// Also one that has just said that the id is not denied.
pub async fn other_processes_hear_of_it_in_time(harness: impl DenyListHarness) {
    let other = harness.other_process().await;
    assert!(!other.is_denied(&id("id-1")).await.unwrap());
    deny(&harness, "id-1", harness.unit() * 600).await;
    becomes_denied(&other, "id-1").await;
}

/// Where the list outlives the process.
pub async fn a_denial_outlives_a_restart(mut harness: impl DenyListHarness) {
    deny(&harness, "id-1", harness.unit() * 600).await;
    if harness.reopen().await {
        assert!(is_denied(&harness, "id-1").await);
        assert!(!is_denied(&harness, "id-2").await);
    }
}

/// None is lost among the others.
pub async fn many_denials_at_once_are_all_kept(harness: impl DenyListHarness) {
    let until = harness.clock().now().saturating_add(harness.unit() * 600);
    let mut tasks = Vec::new();
    for number in 0..100 {
        let list = Arc::clone(&harness.deny_list());
        tasks.push(tokio::spawn(async move {
            list.deny(&id(&format!("id-{number}")), until).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for number in 0..100 {
        assert!(
            is_denied(&harness, &format!("id-{number}")).await,
            "{number}"
        );
    }
}
