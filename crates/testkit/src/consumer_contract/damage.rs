//! Damaged deliveries, which hide and block no other.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{ConsumerStore, MessageStore};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerOptions, ConsumerPosition, MessageId, Topic,
};

use super::support::{ConsumerCase, counts, ids, key, lease, options};

/// `damage` damages the delivery of a message that is leased, and `pass` lets a second pass.
///
/// # Panics
/// If the store does not keep its contract.
pub async fn a_damaged_delivery_hides_no_other<S: ConsumerStore + MessageStore + 'static>(
    store: Arc<S>,
    topic: &Topic,
    damage: impl AsyncFn(&ConsumerKey, MessageId),
    pass: impl AsyncFn(),
) {
    let case = ConsumerCase {
        store: Arc::clone(&store) as Arc<dyn MessageStore>,
        consumers: store,
        topic: topic.clone(),
        key: key(topic, "c"),
    };
    let options = ConsumerOptions {
        backoff_seconds: Some(vec![0.0]),
        ..options()
    };
    case.create(&case.key, options).await;
    let given = case.append(3).await;

    // The end of the lease.
    let (leased, _) = case.pull_for(3, lease(Duration::from_secs(1))).await;
    assert_eq!(ids(&leased), given);
    damage(&case.key, given[1]).await;
    pass().await;
    let mut again = Vec::new();
    while again.len() < 3 {
        again.extend(case.pull_when_due(3).await);
    }
    again.sort_by_key(|held| held.id);
    assert_eq!(ids(&again), given);
    let kind = ConsumerKind::Consumer;
    assert_eq!(case.consumers.list(topic, kind).await.unwrap().len(), 1);

    // A seek.
    damage(&case.key, given[0]).await;
    assert!(case.state(given[0]).await.is_some());
    case.seek(ConsumerPosition::Oldest).await;
    let leased = case.pull_all().await;
    assert_eq!(ids(&leased), given);
    assert_eq!(case.ack(&leased).await, [true; 3]);
    case.check_counts(counts(0, 0, 0, 0)).await;

    // A deletion.
    let given = case.append(1).await;
    case.pull(1).await;
    damage(&case.key, given[0]).await;
    case.delete(given[0]).await;
}
