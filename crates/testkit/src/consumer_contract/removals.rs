//! Deletion and retention of messages beside their leases.

use posthorn_domain::ConsumerPosition;

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, LONG, SOON, attempts, counts, dead_ids, ids, lease, nack, one_attempt,
};
use crate::eventually;

/// Neither a new message nor a redelivery; it is not missed.
pub async fn a_deleted_message_waits_no_more(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(5).await;
    let leases = case.pull(2).await;
    case.nack(&leases[..1], None).await;
    case.update(&leases[1..], nack(Some(LONG), None)).await;
    for place in [0, 1, 3] {
        case.delete(given[place]).await;
    }
    case.check_counts(counts(2, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull_all().await), [given[2], given[4]]);
}

/// Its lease stays valid and can be extended.
pub async fn a_deleted_message_can_still_be_acknowledged(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(2).await;
    let leases = case.pull(1).await;
    case.delete(given[0]).await;
    case.check_counts(counts(1, 1, 0, 0)).await;
    let extend = posthorn_application::LeaseUpdate::Extend(None);
    assert_eq!(case.update(&leases, extend).await, [true]);
    assert_eq!(case.ack(&leases).await, [true]);
    case.check_counts(counts(1, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull(10).await), given[1..]);
}

/// Rejected, returned or expired: settled, and not missed.
pub async fn a_deleted_message_is_not_redelivered(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let rejected = case.pull(1).await;
    let returned = case.pull(1).await;
    case.pull_for(1, lease(harness.unit())).await;
    for id in given {
        case.delete(id).await;
    }
    assert_eq!(case.nack(&rejected, Some("no")).await, [true]);
    let given_back = case.consumers.give_back(&case.key, returned[0].token.nonce);
    assert_eq!(given_back.await, Ok(()));
    harness.pass(harness.unit()).await;
    eventually(SOON, async || case.counts().await.in_flight == 0).await;
    case.check_counts(counts(0, 0, 0, 0)).await;
    assert_eq!(case.pull(10).await, []);
}

/// Also not after its last attempt.
pub async fn a_deleted_message_does_not_die(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(1).await;
    let leases = case.pull(1).await;
    case.delete(given[0]).await;
    assert_eq!(case.nack(&leases, Some("no")).await, [true]);
    case.check_counts(counts(0, 0, 0, 0)).await;
}

/// As after single deletions: new, waiting and leased ones, none of them missed.
pub async fn messages_deleted_together_wait_no_more(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(8).await;
    let leases = case.pull(4).await;
    case.nack(&leases[..1], None).await;
    case.update(&leases[1..2], nack(Some(LONG), None)).await;
    case.check_counts(counts(6, 2, 0, 0)).await;
    case.delete_before(given[6], 3).await;
    case.check_counts(counts(4, 2, 0, 0)).await;
    case.delete_before(given[6], 3).await;
    case.check_counts(counts(2, 2, 0, 0)).await;
    assert_eq!(case.ack(&leases[2..3]).await, [true]);
    assert_eq!(case.nack(&leases[3..], Some("no")).await, [true]);
    case.check_counts(counts(2, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull_all().await), given[6..]);
}

/// Dead letters stay, and so does a redriven message that retention had removed before.
pub async fn a_bulk_deletion_leaves_copies_of_other_messages(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(4).await;
    case.kill(3).await;
    case.keep(2).await;
    case.redrive(&given[1..3]).await;
    case.check_counts(counts(3, 0, 1, 0)).await;
    // The second is a copy alone, the third a copy of a message that is there.
    case.delete_before(given[3], 10).await;
    case.check_counts(counts(2, 0, 1, 0)).await;
    assert_eq!(dead_ids(&case.dead().await), given[..1]);
    assert_eq!(ids(&case.pull_all().await), [given[1], given[3]]);
}

/// Each once.
pub async fn retention_of_new_messages_is_missed(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(10).await;
    case.keep(6).await;
    case.check_counts(counts(6, 0, 0, 4)).await;
    case.keep(6).await;
    case.check_counts(counts(6, 0, 0, 4)).await;
    assert_eq!(ids(&case.pull(2).await), given[4..6]);
    case.keep(1).await;
    // The two that are leased are missed only when their leases end.
    case.check_counts(counts(1, 2, 0, 7)).await;
}

/// Whether they are due or not.
pub async fn retention_of_waiting_messages_is_missed(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(4).await;
    let leases = case.pull(3).await;
    case.nack(&leases[..1], None).await;
    case.update(&leases[1..2], nack(Some(LONG), None)).await;
    let returned = case.consumers.give_back(&case.key, leases[2].token.nonce);
    assert_eq!(returned.await, Ok(()));
    case.check_counts(counts(4, 0, 0, 0)).await;
    case.keep(1).await;
    case.check_counts(counts(1, 0, 0, 3)).await;
}

/// Nor of messages before the position, nor of dead letters.
pub async fn retention_of_settled_messages_is_not_missed(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    case.append(2).await;
    case.start_at(ConsumerPosition::Newest).await.unwrap();
    let put = super::support::put(one_attempt());
    case.consumers.put(&case.key, put).await.unwrap();
    case.append(3).await;
    let leases = case.pull(1).await;
    case.ack(&leases).await;
    case.kill(1).await;
    case.keep(1).await;
    case.check_counts(counts(1, 0, 1, 0)).await;
}

/// By rejection (also of the last attempt), by return, and by expiry.
pub async fn retention_of_a_leased_message_is_missed_when_the_lease_ends(
    harness: impl ConsumerHarness,
) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    case.append(4).await;
    let rejected = case.pull(1).await;
    let returned = case.pull(1).await;
    case.pull_for(1, lease(harness.unit() * 5)).await;
    case.keep(1).await;
    case.check_counts(counts(1, 3, 0, 0)).await;
    assert_eq!(case.nack(&rejected, Some("no")).await, [true]);
    case.check_counts(counts(1, 2, 0, 1)).await;
    let given_back = case.consumers.give_back(&case.key, returned[0].token.nonce);
    assert_eq!(given_back.await, Ok(()));
    case.check_counts(counts(1, 1, 0, 2)).await;
    harness.pass(harness.unit() * 5).await;
    eventually(SOON, async || case.counts().await.missed == 3).await;
    case.check_counts(counts(1, 0, 0, 3)).await;
    assert_eq!(attempts(&case.pull(10).await), [1]);
}

/// It was settled before anything was lost.
pub async fn retention_of_a_leased_message_that_is_acknowledged_is_not_missed(
    harness: impl ConsumerHarness,
) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(3).await;
    let leases = case.pull(2).await;
    case.keep(1).await;
    assert_eq!(case.ack(&leases).await, [true, true]);
    case.check_counts(counts(1, 0, 0, 0)).await;
}

/// Dead letters, and redriven messages whether they wait or are leased.
pub async fn retention_leaves_copies(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(4).await;
    case.kill(3).await;
    case.redrive(&given[..2]).await;
    let leased = case.pull(1).await;
    assert_eq!(ids(&leased), given[..1]);
    case.keep(1).await;
    case.check_counts(counts(2, 1, 1, 0)).await;
    assert_eq!(case.nack(&leased, None).await, [true]);
    case.check_counts(counts(2, 0, 2, 0)).await;
    assert_eq!(dead_ids(&case.dead().await), [given[0], given[2]]);
    let rest = case.pull(10).await;
    assert_eq!(ids(&rest), [given[1], given[3]]);
    assert_eq!(case.ack(&rest).await, [true, true]);
    case.check_counts(counts(0, 0, 2, 0)).await;
}

/// Like any other; its lease can be acknowledged, and it does not die again.
pub async fn a_deleted_redriven_message_waits_no_more(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(3).await;
    case.kill(3).await;
    case.redrive_all().await;
    let leased = case.pull(2).await;
    for id in given {
        case.delete(id).await;
    }
    case.check_counts(counts(0, 2, 0, 0)).await;
    assert_eq!(case.ack(&leased[..1]).await, [true]);
    assert_eq!(case.nack(&leased[1..], None).await, [true]);
    case.check_counts(counts(0, 0, 0, 0)).await;
    assert_eq!(case.pull(10).await, []);
}

/// It is a copy of its own, and is redriven as such.
pub async fn a_dead_letter_outlives_the_deletion_of_its_message(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(2).await;
    case.kill(1).await;
    case.delete(given[0]).await;
    case.check_counts(counts(1, 0, 1, 0)).await;
    assert_eq!(case.redrive_all().await.redriven, 1);
    assert_eq!(ids(&case.pull(10).await), given);
}
