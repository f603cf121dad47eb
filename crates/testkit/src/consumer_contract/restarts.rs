//! What survives when the data is opened again.

use posthorn_domain::{ConsumerOptions, FailureReason};

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, LONG, attempts, counts, dead_ids, ids, nack, one_attempt, options, tag,
};

async fn reopen(harness: &mut impl ConsumerHarness, case: ConsumerCase) -> ConsumerCase {
    let (topic, key) = (case.topic.clone(), case.key.clone());
    drop(case);
    assert!(harness.reopen().await, "the store keeps its data");
    ConsumerCase {
        topic,
        key,
        ..ConsumerCase::without_consumer(harness)
    }
}

/// And the version of the settings.
pub async fn settings_and_positions_survive_a_restart(mut harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(4).await;
    let leases = case.pull(2).await;
    case.ack(&leases).await;
    let before = case.status().await;
    let case = reopen(&mut harness, case).await;
    let after = case.status().await;
    assert_eq!((&after.settings, after.tag), (&before.settings, tag(1)));
    assert_eq!(after.counts, counts(2, 0, 0, 0));
    assert_eq!(after.oldest_waiting_at, before.oldest_waiting_at);
    assert_eq!(ids(&case.pull(10).await), given[2..]);
}

/// Also those behind a message that is not settled.
pub async fn acknowledgements_survive_a_restart(mut harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(5).await;
    let leases = case.pull(5).await;
    case.ack(&leases[1..4]).await;
    case.update(&[&leases[..1], &leases[4..]].concat(), nack(None, None))
        .await;
    let case = reopen(&mut harness, case).await;
    assert_eq!(case.ack(&leases).await, [false; 5]);
    let again = case.pull_all().await;
    assert_eq!(ids(&again), [given[0], given[4]]);
    assert_eq!(attempts(&again), [2, 2]);
}

/// Of waiting messages, due or not.
pub async fn attempts_and_reasons_survive_a_restart(mut harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        max_attempts: Some(2),
        ..options()
    };
    let case = ConsumerCase::new(&harness, options).await;
    let given = case.append(2).await;
    let leases = case.pull(2).await;
    case.nack(&leases[..1], Some("first")).await;
    case.update(&leases[1..], nack(Some(LONG), None)).await;
    let case = reopen(&mut harness, case).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    let again = case.pull(10).await;
    assert_eq!(
        (ids(&again), attempts(&again)),
        (given[..1].to_vec(), vec![2])
    );
    case.nack(&again, Some("second")).await;
    let reason = case.dead().await[0].reason.clone();
    assert_eq!(reason, Some(FailureReason::parse("second").unwrap()));
}

/// Whole, and after retention.
pub async fn dead_letters_survive_a_restart(mut harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(3).await;
    case.kill(2).await;
    case.keep(1).await;
    let before = case.dead().await;
    let case = reopen(&mut harness, case).await;
    assert_eq!(case.dead().await, before);
    case.check_counts(counts(1, 0, 2, 0)).await;
    assert_eq!(case.redrive_all().await.redriven, 2);
    assert_eq!(ids(&case.pull(10).await), given);
}

/// Which the topic does not hold any more.
pub async fn redriven_copies_survive_a_restart(mut harness: impl ConsumerHarness) {
    let case = ConsumerCase::new(&harness, one_attempt()).await;
    let given = case.append(2).await;
    case.kill(1).await;
    case.keep(1).await;
    case.redrive_all().await;
    let case = reopen(&mut harness, case).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    let leases = case.pull(10).await;
    assert_eq!(ids(&leases), given);
    case.nack(&leases[..1], Some("no")).await;
    assert_eq!(dead_ids(&case.dead().await), given[..1]);
}

/// What was missed, and what is missed after it.
pub async fn counters_survive_a_restart(mut harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    case.append(5).await;
    case.keep(3).await;
    let case = reopen(&mut harness, case).await;
    case.check_counts(counts(3, 0, 0, 2)).await;
    case.keep(1).await;
    case.check_counts(counts(1, 0, 0, 4)).await;
}

/// Its grant may be lost with the store. Then its token is stale and it comes again with the same
/// attempt; else the token is valid.
pub async fn a_leased_message_survives_a_restart(mut harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(3).await;
    let leases = case.pull(2).await;
    let case = reopen(&mut harness, case).await;
    let total = case.counts().await;
    assert_eq!(total.waiting + total.in_flight, 3);
    let valid = case.ack(&leases).await;
    let again = case.pull_all().await;
    let lost = given[..2].iter().zip(&valid).filter(|(_, valid)| !**valid);
    let mut expected: Vec<_> = lost.map(|(id, _)| *id).collect();
    expected.push(given[2]);
    assert_eq!(ids(&again), expected);
    assert_eq!(attempts(&again), vec![1; expected.len()]);
}
