//! Moving the position of a consumer.

use posthorn_application::LeaseUpdate;
use posthorn_domain::{ConsumerOptions, ConsumerPosition, FailureReason};

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, LONG, attempt, attempts, counts, dead_ids, ids, nack, one_attempt, options,
};

/// Settled, leased and waiting messages alike.
pub async fn a_seek_back_hands_out_again_with_attempt_one(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(5).await;
    let leases = case.pull(4).await;
    case.ack(&leases[..2]).await;
    case.update(&leases[2..3], nack(Some(LONG), Some("no")))
        .await;
    let status = case.seek(ConsumerPosition::Oldest).await;
    assert_eq!(status.counts, counts(5, 0, 0, 0));
    assert_eq!(status, case.status().await);
    let again = case.pull(10).await;
    assert_eq!(ids(&again), given);
    assert_eq!(attempts(&again), [1; 5]);
    case.seek(ConsumerPosition::After(given[2])).await;
    assert_eq!(ids(&case.pull(10).await), given[3..]);
    case.seek(ConsumerPosition::From(given[0].timestamp()))
        .await;
    assert_eq!(ids(&case.pull(10).await), given);
}

/// What lies before the position is neither handed out nor missed.
pub async fn a_seek_forward_skips(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(6).await;
    let leases = case.pull(2).await;
    case.nack(&leases[..1], None).await;
    case.seek(ConsumerPosition::After(given[3])).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    case.keep(3).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    case.seek(ConsumerPosition::Newest).await;
    case.check_counts(counts(0, 0, 0, 0)).await;
    assert_eq!(case.pull(10).await, []);
    let later = case.append(1).await;
    assert_eq!(ids(&case.pull(10).await), later);
}

/// Also of messages after the position.
pub async fn a_seek_makes_leases_stale(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let leases = case.pull(3).await;
    case.seek(ConsumerPosition::After(given[0])).await;
    for update in [
        LeaseUpdate::Ack,
        nack(None, None),
        LeaseUpdate::Extend(None),
    ] {
        assert_eq!(case.update(&leases, update).await, [false; 3]);
    }
    let again = case.pull(3).await;
    assert_eq!(case.ack(&leases).await, [false; 3]);
    assert_eq!(case.ack(&again).await, [true, true]);
}

/// `missed` and the date of the last pull too.
pub async fn a_seek_keeps_dead_letters_and_counters(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(6).await;
    case.kill(2).await;
    case.keep(2).await;
    let before = case.status().await;
    assert_eq!(before.counts, counts(2, 0, 2, 2));
    for to in [ConsumerPosition::Newest, ConsumerPosition::Oldest] {
        let status = case.seek(to).await;
        assert_eq!((status.counts.dead, status.counts.missed), (2, 2));
        assert_eq!(status.last_pull_at, before.last_pull_at);
    }
    assert_eq!(dead_ids(&case.dead().await), given[..2]);
}

/// A dead letter that is new again, or in flight again, is not handed out beside it.
pub async fn a_redrive_after_a_seek_hands_out_once(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(4).await;
    case.kill(3).await;
    case.seek(ConsumerPosition::Oldest).await;
    let leased = case.pull(1).await;
    case.check_counts(counts(3, 1, 3, 0)).await;
    let outcome = case.redrive(&given[..2]).await;
    assert_eq!((outcome.redriven, outcome.remaining), (2, 1));
    case.check_counts(counts(3, 1, 1, 0)).await;
    let rest = case.pull(10).await;
    assert_eq!(ids(&rest), given[1..]);
    assert_eq!(case.ack(&[leased, rest].concat()).await, [true; 4]);
    case.check_counts(counts(0, 0, 1, 0)).await;
    // The last one was settled since: its copy is handed out.
    assert_eq!(case.redrive_all().await.redriven, 1);
    assert_eq!(ids(&case.pull(10).await), given[2..3]);
}

/// With the attempts and the reason of the second one.
pub async fn a_second_death_replaces_the_dead_letter(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(2).await;
    case.kill(2).await;
    let twice = ConsumerOptions {
        max_attempts: Some(2),
        ..options()
    };
    let put = super::support::put(twice);
    case.consumers.put(&case.key, put).await.unwrap();
    case.seek(ConsumerPosition::After(given[0])).await;
    for _ in 0..2 {
        let leases = case.pull(1).await;
        case.nack(&leases, Some("again")).await;
    }
    case.check_counts(counts(0, 0, 2, 0)).await;
    let dead = case.dead().await;
    assert_eq!(dead_ids(&dead), given);
    assert_eq!(
        (dead[0].attempts, dead[1].attempts),
        (attempt(1), attempt(2))
    );
    assert_eq!(dead[1].reason, Some(FailureReason::parse("again").unwrap()));
}

/// Where the topic does not hold their messages any more; those before the position go.
pub async fn a_seek_keeps_redriven_copies_after_the_position(harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(6).await;
    case.kill(5).await;
    case.keep(2).await;
    case.redrive_all().await;
    case.check_counts(counts(6, 0, 0, 0)).await;
    let leased = case.pull(3).await;
    assert_eq!(ids(&leased), given[..3]);
    case.seek(ConsumerPosition::After(given[1])).await;
    assert_eq!(case.ack(&leased).await, [false; 3]);
    // Copies of 2 and 3, then 4 and 5, which the topic holds.
    case.check_counts(counts(4, 0, 0, 0)).await;
    let again = case.pull(10).await;
    assert_eq!(ids(&again), given[2..]);
    assert_eq!(attempts(&again), [1; 4]);
    case.seek(ConsumerPosition::Newest).await;
    case.check_counts(counts(0, 0, 0, 0)).await;
    case.seek(ConsumerPosition::Oldest).await;
    assert_eq!(ids(&case.pull(10).await), given[4..]);
}

/// Only where it lies after the position.
pub async fn a_seek_over_a_removed_lease_counts_it_as_missed(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(4).await;
    case.pull(3).await;
    case.keep(1).await;
    case.check_counts(counts(1, 3, 0, 0)).await;
    case.seek(ConsumerPosition::After(given[0])).await;
    case.check_counts(counts(1, 0, 0, 2)).await;
}

/// Nothing else brings it back.
pub async fn an_acknowledged_message_comes_again_only_after_a_seek(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let leases = case.pull(2).await;
    case.ack(&leases).await;
    let put = super::support::put(one_attempt());
    case.consumers.put(&case.key, put).await.unwrap();
    case.redrive_all().await;
    assert_eq!(case.redrive(&given).await.unknown, given);
    assert_eq!(ids(&case.pull_all().await), given[2..]);
    case.seek(ConsumerPosition::After(given[0])).await;
    assert_eq!(ids(&case.pull_all().await), given[1..]);
}
