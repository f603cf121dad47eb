//! Damaged deliveries and dead letters, which hide and block no other.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{ConsumerStore, DeadLetterRequest, MessageStore, RetentionPolicy};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerOptions, ConsumerPosition, MessageId, Topic,
};

use super::support::{ConsumerCase, counts, dead_ids, ids, key, lease, one_attempt, options};
use crate::samples;

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

/// `damage` damages the copy of a message.
///
/// # Panics
/// If the store does not keep its contract.
pub async fn a_damaged_dead_letter_hides_no_other<S: ConsumerStore + MessageStore + 'static>(
    store: Arc<S>,
    topic: &Topic,
    damage: impl AsyncFn(&ConsumerKey, MessageId),
) {
    let case = ConsumerCase {
        store: Arc::clone(&store) as Arc<dyn MessageStore>,
        consumers: store,
        topic: topic.clone(),
        key: key(topic, "c"),
    };
    case.create(&case.key, one_attempt()).await;
    case.append(4).await;
    let given = case.kill(4).await;
    damage(&case.key, given[0]).await;
    damage(&case.key, given[2]).await;

    // It counts against the limit of a page, which ends with it or another.
    let page = async |after, most| {
        let limit = samples::limit(most);
        let request = DeadLetterRequest { after, limit };
        case.consumers
            .dead_letters(&case.key, request)
            .await
            .unwrap()
    };
    let first = page(None, 1).await;
    assert_eq!(
        (first.unreadable.as_slice(), first.letters.len()),
        (&given[..1], 0)
    );
    assert_eq!((first.last_id(), first.has_more), (Some(given[0]), true));
    let rest = page(first.last_id(), 3).await;
    assert_eq!(dead_ids(&rest.letters), [given[1], given[3]]);
    assert_eq!(
        (rest.unreadable.as_slice(), rest.has_more),
        (&given[2..3], false)
    );
    case.check_counts(counts(0, 0, 4, 0)).await;

    // It can be deleted.
    let deleted = case.consumers.delete_dead_letter(&case.key, given[0]).await;
    assert_eq!(deleted, Ok(true));
    assert_eq!(page(None, 1).await.unreadable, []);

    // A redrive of it costs no other, and it is counted.
    for id in &given {
        case.delete(*id).await;
    }
    assert_eq!(case.redrive(&given[1..]).await.redriven, 3);
    let (leases, pulled) = case.pull_for(1, None).await;
    assert_eq!((ids(&leases), pulled.unreadable), (vec![given[1]], vec![]));
    let (leases, pulled) = case.pull_for(1, None).await;
    assert_eq!(
        (ids(&leases), pulled.unreadable),
        (vec![given[3]], vec![given[2]])
    );
    case.check_counts(counts(0, 2, 0, 1)).await;
}

/// `damage` damages the record or the deliveries of a consumer; its topic has a second one.
///
/// # Panics
/// If the store does not keep its contract.
pub async fn a_damaged_consumer_stops_no_removal<S: ConsumerStore + MessageStore + 'static>(
    store: Arc<S>,
    topic: &Topic,
    damage: impl AsyncFn(&ConsumerKey),
) {
    let case = |name| ConsumerCase {
        store: Arc::clone(&store) as Arc<dyn MessageStore>,
        consumers: Arc::clone(&store) as Arc<dyn ConsumerStore>,
        topic: topic.clone(),
        key: key(topic, name),
    };
    let (damaged, intact) = (case("c"), case("z"));
    for case in [&damaged, &intact] {
        case.create(&case.key, options()).await;
    }
    let given = intact.append(6).await;
    damaged.pull(3).await;
    let leases = intact.pull(3).await;
    assert_eq!(intact.ack(&leases[..1]).await, [true]);
    damage(&damaged.key).await;
    intact.delete(given[0]).await;
    assert_eq!(intact.counts().await.waiting, 3);
    let deleted = store.delete_before(topic, given[2], 100).await;
    assert_eq!(deleted.map(|deleted| deleted.deleted), Ok(1));
    assert_eq!(intact.counts().await.waiting, 3);
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 1,
    };
    assert_eq!(store.prune(&policy, 100).await.unwrap().removed, 3);
    let counts = intact.counts().await;
    assert_eq!((counts.waiting, counts.missed), (1, 2));
}
