//! Where a new consumer starts.

use std::time::Duration;

use posthorn_application::ConsumerError;
use posthorn_domain::{ConsumerPosition, MessageId, Timestamp};

use super::ConsumerHarness;
use super::support::{ConsumerCase, counts, ids, options, put};

/// Everything that the topic holds, also after retention.
pub async fn oldest_starts_with_what_is_held(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let given = case.append(6).await;
    case.keep(4).await;
    case.delete(given[4]).await;
    case.start_at(ConsumerPosition::Oldest).await.unwrap();
    case.check_counts(counts(3, 0, 0, 0)).await;
    assert_eq!(
        ids(&case.pull_all().await),
        [2, 3, 5].map(|place| given[place])
    );
}

/// Nothing of what is held, also in a topic that retention emptied.
pub async fn newest_starts_with_what_comes_later(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    case.append(3).await;
    case.start_at(ConsumerPosition::Newest).await.unwrap();
    case.check_counts(counts(0, 0, 0, 0)).await;
    assert_eq!(case.pull(10).await, []);
    let later = case.append(2).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull(10).await), later);
}

/// The message need not exist.
pub async fn an_id_is_exclusive(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let given = case.append(5).await;
    case.delete(given[1]).await;
    case.start_at(ConsumerPosition::After(given[1]))
        .await
        .unwrap();
    case.check_counts(counts(3, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull_all().await), given[2..]);
}

/// A message that was accepted at that millisecond comes too.
pub async fn a_time_is_inclusive(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    case.append(2).await;
    harness.pass(Duration::from_millis(50)).await;
    let later = case.append(3).await;
    let from = ConsumerPosition::From(later[0].timestamp());
    case.start_at(from).await.unwrap();
    assert_eq!(ids(&case.pull_all().await), later);
}

/// Neither a start nor a seek; a position that is only behind the newest message is `Newest`.
pub async fn a_position_in_the_future_is_rejected(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let given = case.append(2).await;
    let far = given[1].timestamp().saturating_add(Duration::from_hours(1));
    let ahead = [
        ConsumerPosition::From(far),
        ConsumerPosition::After(MessageId::new(far, 1)),
        ConsumerPosition::From(Timestamp::MAX),
        ConsumerPosition::After(MessageId::MAX),
    ];
    for position in ahead {
        let outcome = case.start_at(position).await;
        assert_eq!(outcome, Err(ConsumerError::PositionAhead), "{position:?}");
    }
    let absent = case.consumers.status(&case.key).await;
    assert_eq!(absent, Err(ConsumerError::NotFound));
    case.start_at(ConsumerPosition::Oldest).await.unwrap();
    for position in ahead {
        let outcome = case.consumers.seek(&case.key, position).await;
        assert_eq!(outcome, Err(ConsumerError::PositionAhead), "{position:?}");
    }
    case.check_counts(counts(2, 0, 0, 0)).await;
    let same_time = MessageId::new(given[1].timestamp(), u64::MAX);
    case.seek(ConsumerPosition::After(same_time)).await;
    case.check_counts(counts(0, 0, 0, 0)).await;
    let later = case.append(2).await;
    case.check_counts(counts(2, 0, 0, 0)).await;
    assert_eq!(ids(&case.pull(10).await), later);
}

/// A put on a consumer that exists moves nothing.
pub async fn the_start_counts_only_at_creation(harness: impl ConsumerHarness) {
    let case = ConsumerCase::without_consumer(&harness);
    let given = case.append(3).await;
    case.start_at(ConsumerPosition::Newest).await.unwrap();
    case.start_at(ConsumerPosition::Oldest).await.unwrap();
    // Not even looked at.
    let mut far = put(options());
    far.start = ConsumerPosition::After(MessageId::MAX);
    assert!(case.consumers.put(&case.key, far).await.is_ok());
    assert_eq!(case.pull(10).await, []);
    case.seek(ConsumerPosition::After(given[1])).await;
    assert_eq!(ids(&case.pull(10).await), given[2..]);
}
