//! Cursors that the store gave, and others: a reader learns that it has missed messages.

use std::time::Duration;

use posthorn_application::{Anchor, MessageStore, Page, PageLimit};
use posthorn_domain::{MessageId, Topic};

use super::StoreHarness;
use super::support::{append, append_many, ids, page, prune_everything};
use crate::samples::topic;

const HOUR: Duration = Duration::from_hours(1);

/// After the newest id: of another store, of a later state of this one, or invented.
pub async fn a_cursor_after_the_newest_id_is_truncated(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let given = append_many(&*store, &topic, 3).await;
    for later in later_than(given[2]) {
        let found = after(&*other, &topic, later).await;
        let expected = Page {
            has_older: true,
            truncated: true,
            ..Page::default()
        };
        assert_eq!(found, expected, "{later}");
    }
    prune_everything(&harness).await;
    for later in later_than(given[2]) {
        let found = after(&*other, &topic, later).await;
        assert!(found.truncated && found.is_empty(), "{later}");
    }
}

/// In a topic that never had a message.
pub async fn a_cursor_of_an_unknown_topic_is_truncated(harness: impl StoreHarness) {
    let (store, empty) = (harness.store(), topic("empty"));
    assert!(after(&*store, &empty, MessageId::MAX).await.truncated);
    assert!(!after(&*store, &empty, MessageId::MIN).await.truncated);
    let id = append(&*store, &topic("b"), "text").await.id;
    for later in later_than(id) {
        assert!(after(&*store, &empty, later).await.truncated, "{later}");
    }
}

/// A deletion leaves no gap, wherever the message was.
pub async fn a_cursor_at_a_deleted_message_is_not_truncated(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 5).await;
    for id in [given[0], given[2], given[4]] {
        assert_eq!(store.delete(&topic, id).await, Ok(true));
    }
    for id in &given {
        assert!(!after(&*store, &topic, *id).await.truncated, "{id}");
    }
    for id in [given[1], given[3]] {
        assert_eq!(store.delete(&topic, id).await, Ok(true));
    }
    for id in &given {
        assert!(!after(&*store, &topic, *id).await.truncated, "{id}");
    }
}

/// A time is no cursor: nothing is missing after the newest message.
pub async fn a_time_after_the_newest_message_is_not_truncated(harness: impl StoreHarness) {
    let (store, held, empty) = (harness.store(), topic("a"), topic("b"));
    let given = append_many(&*store, &held, 2).await;
    for later in later_than(given[1]) {
        for topic in [&held, &empty] {
            let found = page(&*store, topic, Anchor::Since(later), PageLimit::MAX).await;
            assert!(!found.truncated && found.is_empty(), "{topic} {later}");
        }
    }
    let since = MessageId::new(given[0].timestamp().saturating_sub(HOUR), u64::MAX);
    let found = page(&*store, &held, Anchor::Since(since), PageLimit::MAX).await;
    assert_eq!((ids(&found.messages), found.truncated), (given, false));
    prune_everything(&harness).await;
    assert!(
        page(&*store, &held, Anchor::Since(since), PageLimit::MAX)
            .await
            .truncated
    );
}

/// The messages after the cursor are lost with the store. The store that takes its place shows that, also when it has
/// messages.
pub async fn a_cursor_of_a_lost_store_is_truncated(mut harness: impl StoreHarness) {
    let topic = topic("a");
    let lost = append_many(&*harness.store(), &topic, 3).await;
    harness.pass(harness.unit()).await;
    assert!(harness.lose().await, "the data can be lost");
    let store = harness.store();
    for id in &lost {
        assert!(after(&*store, &topic, *id).await.truncated, "{id}, empty");
    }
    let held = append_many(&*store, &topic, 5).await;
    for id in &lost {
        let found = after(&*store, &topic, *id).await;
        assert!(found.truncated, "{id}");
        assert_eq!(ids(&found.messages), held, "{id}");
    }
    for id in &held {
        assert!(!after(&*store, &topic, *id).await.truncated, "{id}");
    }
    assert!(!after(&*store, &topic, MessageId::MIN).await.truncated);
}

async fn after(store: &dyn MessageStore, topic: &Topic, id: MessageId) -> Page {
    page(store, topic, Anchor::After(id), PageLimit::MAX).await
}

fn later_than(id: MessageId) -> [MessageId; 3] {
    let later = id.timestamp().saturating_add(HOUR);
    [
        MessageId::new(later, id.sequence().saturating_add(10)),
        MessageId::new(later, u64::MAX),
        MessageId::MAX,
    ]
}
