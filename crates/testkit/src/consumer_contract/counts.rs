//! What a consumer counts.

use posthorn_domain::{ConsumerOptions, ConsumerPosition};

use super::ConsumerHarness;
use super::support::{ConsumerCase, LONG, counts, nack, options};

/// Append, pull, acknowledge, reject, wait, die, redrive, delete, prune, seek.
pub async fn counts_follow_every_step(harness: impl ConsumerHarness) {
    let options = ConsumerOptions {
        max_attempts: Some(2),
        ..options()
    };
    let case = ConsumerCase::new(&harness, options).await;
    let given = case.append(8).await;
    case.check_counts(counts(8, 0, 0, 0)).await;
    let leases = case.pull(4).await;
    case.check_counts(counts(4, 4, 0, 0)).await;
    case.ack(&leases[..1]).await;
    case.check_counts(counts(4, 3, 0, 0)).await;
    case.update(&leases[1..2], nack(Some(LONG), None)).await;
    case.check_counts(counts(5, 2, 0, 0)).await;
    case.nack(&leases[2..3], None).await;
    let again = case.pull(1).await;
    case.nack(&again, None).await;
    case.check_counts(counts(5, 1, 1, 0)).await;
    case.delete(given[7]).await;
    case.check_counts(counts(4, 1, 1, 0)).await;
    case.keep(5).await;
    case.check_counts(counts(3, 1, 1, 1)).await;
    case.redrive_all().await;
    case.check_counts(counts(4, 1, 0, 1)).await;
    let last = case.pull(10).await;
    case.check_counts(counts(0, 5, 0, 1)).await;
    case.ack(&[&leases[3..4], &last[..]].concat()).await;
    case.check_counts(counts(0, 0, 0, 1)).await;
    case.seek(ConsumerPosition::Oldest).await;
    case.check_counts(counts(5, 0, 0, 1)).await;
}

/// A redelivery that waits for its time too; nothing exactly when nothing waits.
pub async fn the_oldest_waiting_message_dates_the_backlog(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    let mut given = Vec::new();
    for _ in 0..4 {
        given.extend(case.append(1).await);
        harness.pass(std::time::Duration::from_millis(5)).await;
    }
    let oldest = async || case.status().await.oldest_waiting_at;
    assert_eq!(oldest().await, Some(given[0].timestamp()));
    let leases = case.pull(3).await;
    assert_eq!(oldest().await, Some(given[3].timestamp()));
    case.update(&leases[1..2], nack(Some(LONG), None)).await;
    assert_eq!(oldest().await, Some(given[1].timestamp()));
    case.delete(given[1]).await;
    assert_eq!(oldest().await, Some(given[3].timestamp()));
    let last = case.pull(10).await;
    assert_eq!(oldest().await, None);
    case.nack(&last, None).await;
    assert_eq!(oldest().await, Some(given[3].timestamp()));
    case.keep(1).await;
    assert_eq!(oldest().await, Some(given[3].timestamp()));
    case.append(1).await;
    case.keep(1).await;
    let newest = case.pull(1).await;
    assert_eq!(oldest().await, None);
    case.ack(&newest).await;
    assert_eq!(oldest().await, None);
}

/// By the store's clock.
pub async fn a_pull_is_dated_also_when_it_is_empty(harness: impl ConsumerHarness) {
    let case = ConsumerCase::with_defaults(&harness).await;
    assert_eq!(case.pull(1).await, []);
    let first = case.status().await.last_pull_at.unwrap();
    harness.pass(std::time::Duration::from_millis(10)).await;
    assert_eq!(case.status().await.last_pull_at, Some(first));
    case.pull(1).await;
    assert!(case.status().await.last_pull_at.unwrap() > first);
}
