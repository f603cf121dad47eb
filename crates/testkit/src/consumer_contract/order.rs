//! The order of hand-out, and what several workers share.

use std::time::Duration;

use posthorn_domain::{ConsumerOptions, MessageId};

use super::ConsumerHarness;
use super::support::{
    ConsumerCase, LONG, attempts, counts, held, ids, key, nack, options, request,
};

/// Each with attempt 1, whatever the size of the pulls, and what is appended between them too.
pub async fn messages_come_once_in_store_order(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let mut given = case.append(5).await;
    let mut seen = Vec::new();
    for limit in [1, 2, 4] {
        seen.extend(case.pull(limit).await);
        given.extend(case.append(2).await);
    }
    seen.extend(case.pull(200).await);
    assert_eq!(ids(&seen), given);
    assert_eq!(attempts(&seen), [1; 11]);
    assert_eq!(case.pull(200).await, []);
}

/// Each consumer gets every message and settles for itself.
pub async fn consumers_of_one_topic_share_nothing(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let other = ConsumerCase {
        key: key(&case.topic, "other"),
        ..ConsumerCase::without_consumer(&harness)
    };
    other.create(&other.key, options()).await;
    let given = case.append(3).await;
    let leases = case.pull(10).await;
    assert_eq!(case.ack(&leases).await, [true; 3]);
    other.check_counts(counts(3, 0, 0, 0)).await;
    assert_eq!(other.ack(&leases).await, [false; 3]);
    let of_other = other.pull(10).await;
    assert_eq!(ids(&of_other), given);
    assert_eq!(case.ack(&of_other).await, [false; 3]);
    case.check_counts(counts(0, 0, 0, 0)).await;
    other.check_counts(counts(0, 3, 0, 0)).await;
}

/// What is due comes first, what waits for its time not at all.
pub async fn redeliveries_come_before_new_messages(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(6).await;
    let leases = case.pull(4).await;
    case.update(&leases[..2], nack(Some(Duration::ZERO), None))
        .await;
    case.update(&leases[2..3], nack(Some(LONG), None)).await;
    let pulled = case.pull(10).await;
    assert_eq!(ids(&pulled), [0, 1, 4, 5].map(|place| given[place]));
    assert_eq!(attempts(&pulled), [2, 2, 1, 1]);
}

/// In one call.
pub async fn the_largest_pull_leases_two_hundred(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(201).await;
    let (pulled, outcome) = case.pull_for(200, None).await;
    assert_eq!(ids(&pulled), given[..200]);
    assert!(outcome.more);
    assert_eq!(case.ack(&pulled).await, [true; 200]);
    assert_eq!(ids(&case.pull(200).await), given[200..]);
}

/// No message is leased twice, none is left out.
pub async fn concurrent_pulls_share_the_messages(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let given = case.append(60).await;
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (consumers, key) = (harness.other_consumers().await, case.key.clone());
        workers.spawn(async move {
            let mut seen = Vec::new();
            loop {
                let request = request(3, None);
                let pulled = consumers.pull(&key, request).await.unwrap();
                if pulled.messages.is_empty() {
                    return seen;
                }
                seen.extend(held(&pulled.messages, request.nonce));
            }
        });
    }
    let mut seen: Vec<MessageId> = ids(&workers.join_all().await.concat());
    seen.sort_unstable();
    assert_eq!(seen, given);
    case.check_counts(counts(0, 60, 0, 0)).await;
}

/// A lease that one process granted is settled by another.
pub async fn processes_share_a_consumer(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let other = ConsumerCase {
        store: harness.other_process().await,
        consumers: harness.other_consumers().await,
        ..ConsumerCase::without_consumer(&harness)
    };
    let given = case.append(3).await;
    let first = case.pull(2).await;
    let second = other.pull(2).await;
    assert_eq!(ids(&second), given[2..]);
    assert_eq!(other.ack(&first).await, [true, true]);
    assert_eq!(case.nack(&second, None).await, [true]);
    assert_eq!(other.status().await, case.status().await);
    assert_eq!(attempts(&other.pull(2).await), [2]);
}

/// Whether there is more now, and whether time alone will bring something.
pub async fn a_pull_announces_what_is_left(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        max_in_flight: Some(3),
        ..options()
    };
    let case = ConsumerCase::new(&harness, options).await;
    let (_, outcome) = case.pull_for(1, None).await;
    assert_eq!((outcome.more, outcome.next_due), (false, None));
    case.append(4).await;
    let (first, outcome) = case.pull_for(1, None).await;
    assert!(outcome.more);
    let next = outcome.next_due.unwrap();
    assert!(
        !next.is_zero() && next <= Duration::from_hours(12),
        "{next:?}"
    );
    let (_, outcome) = case.pull_for(2, None).await;
    assert!(!outcome.more, "at max_in_flight");
    case.update(&first, nack(Some(Duration::from_hours(1)), None))
        .await;
    let (last, outcome) = case.pull_for(1, None).await;
    assert_eq!(last.len(), 1);
    assert!(!outcome.more);
    let next = outcome.next_due.unwrap();
    assert!(
        !next.is_zero() && next <= Duration::from_hours(1),
        "{next:?}"
    );
}
