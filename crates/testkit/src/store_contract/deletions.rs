//! Deletion of the oldest messages of a topic.

use std::time::Duration;

use posthorn_application::{Anchor, BulkDeletion, PageLimit};
use posthorn_domain::MessageId;

use super::StoreHarness;
use super::support::{append, append_many, list_topics, page, read_ids};
use crate::samples::topic;

const fn deleted(deleted: usize, more: bool) -> BulkDeletion {
    BulkDeletion { deleted, more }
}

/// In their order, for every process; what is left is reported.
pub async fn the_oldest_messages_are_deleted_up_to_the_limit(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let given = append_many(&*store, &topic, 10).await;
    let first = store.delete_before(&topic, given[7], 4).await;
    assert_eq!(first, Ok(deleted(4, true)));
    assert_eq!(read_ids(&*other, &topic).await, given[4..]);
    assert_eq!(other.get(&topic, given[3]).await, Ok(None));
    let listed = list_topics(&*other).await;
    assert_eq!((listed[0].count, listed[0].first), (6, given[4]));
    // The limit is exactly reached, and nothing more is before the id.
    let second = other.delete_before(&topic, given[7], 3).await;
    assert_eq!(second, Ok(deleted(3, false)));
    let third = store.delete_before(&topic, given[7], 3).await;
    assert_eq!(third, Ok(deleted(0, false)));
    assert_eq!(read_ids(&*other, &topic).await, given[7..]);
}

/// Not the one with the id, nor those of another topic, also where the id is of no message.
pub async fn only_messages_before_the_id_are_deleted(harness: impl StoreHarness) {
    let (store, a, b) = (harness.store(), topic("a"), topic("b"));
    let of_a = append_many(&*store, &a, 3).await;
    let of_b = append(&*store, &b, "text").await.id;
    for (topic, before) in [
        (&a, MessageId::MIN),
        (&a, of_a[0]),
        (&b, of_a[0]),
        (&topic("unknown"), MessageId::MAX),
    ] {
        let outcome = store.delete_before(topic, before, 10).await;
        assert_eq!(outcome, Ok(deleted(0, false)), "{topic} {before}");
    }
    assert_eq!(store.delete(&a, of_a[1]).await, Ok(true));
    let gone = store.delete_before(&a, of_a[1], 10).await;
    assert_eq!(gone, Ok(deleted(1, false)));
    assert_eq!(read_ids(&*store, &a).await, of_a[2..]);
    // An id of no message. Ids of two topics are in no order within a millisecond.
    let later = of_b.timestamp().saturating_add(Duration::from_secs(1));
    let all = store.delete_before(&a, MessageId::new(later, 0), 10).await;
    assert_eq!(all, Ok(deleted(1, false)));
    assert_eq!(read_ids(&*store, &b).await, [of_b]);
}

/// As after single deletions: a reader that continues after a deleted message has missed nothing.
pub async fn a_bulk_deletion_is_no_gap(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 6).await;
    let outcome = store.delete_before(&topic, given[4], 10).await;
    assert_eq!(outcome, Ok(deleted(4, false)));
    for after in [MessageId::MIN, given[1], given[3]] {
        let page = page(&*store, &topic, Anchor::After(after), PageLimit::MAX).await;
        assert!(
            !page.truncated && page.pruned.is_none(),
            "{after}: {page:?}"
        );
        assert_eq!(page.first(), Some(given[4]), "{after}");
    }
}

/// Ids keep growing, and the topic is listed only while it has a message.
pub async fn a_topic_can_be_emptied_and_filled_again(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 3).await;
    let outcome = store.delete_before(&topic, MessageId::MAX, 3).await;
    assert_eq!(outcome, Ok(deleted(3, false)));
    assert_eq!(list_topics(&*store).await, []);
    let next = append(&*store, &topic, "again").await.id;
    assert!(next > given[2]);
    assert_eq!(read_ids(&*store, &topic).await, [next]);
}
