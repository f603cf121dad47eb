//! Pruning, and its effect on pages.

use posthorn_application::{Anchor, MessageStore, Page, PageLimit, Pruned, RetentionPolicy};
use posthorn_domain::{MessageId, Topic};

use super::StoreHarness;
use super::support::{
    LONG, append, append_many, ids, keep_count, keep_for, list_topics, page, prune,
    prune_everything, prune_once, read_ids,
};
use crate::samples::topic;

/// The last messages of each topic stay.
pub async fn pruning_by_count_keeps_the_newest(harness: impl StoreHarness) {
    let (store, a, b) = (harness.store(), topic("a"), topic("b"));
    let of_a = append_many(&*store, &a, 20).await;
    let of_b = append_many(&*store, &b, 3).await;
    assert_eq!(store.delete(&a, of_a[17]).await, Ok(true));
    assert_eq!(prune(&*store, keep_count(5)).await, 14);
    assert_eq!(
        read_ids(&*store, &a).await,
        [14, 15, 16, 18, 19].map(|place| of_a[place])
    );
    assert_eq!(read_ids(&*store, &b).await, of_b);
    assert_eq!(store.get(&a, of_a[13]).await, Ok(None));
    assert_eq!(store.delete(&a, of_a[13]).await, Ok(false));
}

/// Older messages are removed, and with the last message the topic.
pub async fn pruning_by_age_keeps_the_recent(harness: impl StoreHarness) {
    let (store, a, b) = (harness.store(), topic("a"), topic("b"));
    append_many(&*store, &a, 10).await;
    append_many(&*store, &b, 3).await;
    harness.pass(harness.unit() * 3).await;
    let young = append_many(&*store, &a, 4).await;
    assert_eq!(prune(&*store, keep_for(harness.unit() * 2)).await, 13);
    assert_eq!(read_ids(&*store, &a).await, young);
    assert_eq!(read_ids(&*store, &b).await, []);
    let listed: Vec<_> = list_topics(&*store)
        .await
        .into_iter()
        .map(|found| found.topic)
        .collect();
    assert_eq!(listed, [a]);
}

/// One step removes about its budget, oldest first; the next step continues.
pub async fn pruning_ends_at_its_budget_and_reports_more(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 100).await;
    let Pruned { removed, more, .. } = prune_once(&*store, keep_count(1), 10).await;
    assert!(
        (1..=20).contains(&removed),
        "{removed} removed for a budget of 10"
    );
    assert!(more);
    let removed = usize::try_from(removed).unwrap();
    assert_eq!(read_ids(&*store, &topic).await, given[removed..]);
    prune(&*store, keep_count(1)).await;
    assert_eq!(read_ids(&*store, &topic).await, given[99..]);
    assert_eq!(
        prune_once(&*store, keep_count(1), 10).await,
        Pruned::default()
    );
}

/// No message is too old or in excess.
pub async fn pruning_leaves_what_the_policy_keeps(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    assert_eq!(
        prune_once(&*store, keep_count(1), 10).await,
        Pruned::default()
    );
    let given = append_many(&*store, &topic, 10).await;
    let policy = RetentionPolicy {
        max_age: LONG,
        max_count: 10,
    };
    assert_eq!(prune_once(&*store, policy, 100).await, Pruned::default());
    let unlimited = RetentionPolicy {
        max_age: std::time::Duration::MAX,
        max_count: u64::MAX,
    };
    assert_eq!(prune_once(&*store, unlimited, 100).await, Pruned::default());
    assert_eq!(read_ids(&*store, &topic).await, given);
}

/// A page after an id is truncated if retention removed a message after that id.
pub async fn a_page_is_truncated_where_retention_removed_messages(harness: impl StoreHarness) {
    let (store, other, pruned) = (harness.store(), harness.other_process().await, topic("a"));
    let given = append_many(&*store, &pruned, 10).await;
    let untouched = topic("b");
    let of_untouched = append_many(&*store, &untouched, 2).await;
    assert_eq!(prune(&*store, keep_count(4)).await, 6);
    for id in [MessageId::MIN, given[0], given[4]] {
        let found = after(&*other, &pruned, id).await;
        assert!(found.truncated, "{id} was followed by a removed message");
        assert_eq!(ids(&found.messages), given[6..]);
    }
    for (place, id) in given.iter().enumerate().skip(5) {
        let found = after(&*other, &pruned, *id).await;
        assert!(
            !found.truncated,
            "{id} is at or after the last removed message"
        );
        assert_eq!(ids(&found.messages), given[(place + 1)..]);
    }
    for anchor in [Anchor::Oldest, Anchor::Newest, Anchor::Before(given[3])] {
        let found = page(&*store, &pruned, anchor, PageLimit::MAX).await;
        assert!(!found.truncated, "{anchor:?}");
        assert_eq!(found.pruned, Some(given[5]), "{anchor:?}");
    }
    for id in [MessageId::MIN, of_untouched[0]] {
        let found = after(&*store, &untouched, id).await;
        assert_eq!((found.truncated, found.pruned), (false, None));
    }
}

/// Only retention truncates: a client knows which messages it deletes.
pub async fn a_page_is_not_truncated_by_a_delete(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 6).await;
    for id in &given[..4] {
        assert_eq!(store.delete(&topic, *id).await, Ok(true));
    }
    assert!(!after(&*store, &topic, MessageId::MIN).await.truncated);
    assert!(!after(&*store, &topic, given[1]).await.truncated);
    // Retention now removes the fifth message; before it, only deleted ones are missing.
    assert_eq!(prune(&*store, keep_count(1)).await, 1);
    assert!(after(&*store, &topic, given[3]).await.truncated);
    assert!(!after(&*store, &topic, given[4]).await.truncated);
    assert_eq!(store.delete(&topic, given[5]).await, Ok(true));
    assert!(!after(&*store, &topic, given[4]).await.truncated);
    assert!(after(&*store, &topic, given[3]).await.truncated);
}

/// A reader that returns to an empty topic learns that it missed messages, also after new ones.
pub async fn an_emptied_topic_is_still_truncated(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 3).await;
    prune_everything(&harness).await;
    let found = after(&*store, &topic, given[1]).await;
    assert_eq!(
        found,
        Page {
            truncated: true,
            pruned: Some(given[2]),
            ..Page::default()
        }
    );
    assert!(!after(&*store, &topic, given[2]).await.truncated);
    let anew = append(&*store, &topic, "text").await.id;
    assert!(anew > given[2]);
    let found = after(&*store, &topic, given[1]).await;
    assert!(found.truncated);
    assert_eq!(ids(&found.messages), [anew]);
    assert!(!after(&*store, &topic, given[2]).await.truncated);
}

/// A reader that starts at the end of a topic that was emptied by pruning, or by deletes after
/// pruning, has missed no message and misses none later.
pub async fn a_page_after_the_newest_pruned_message_is_not_truncated(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let given = append_many(&*store, &topic, 3).await;
    assert_eq!(newest(&*other, &topic).await.pruned, None);
    prune_everything(&harness).await;
    follow_from_the_mark(&*store, &*other, &topic, given[2]).await;
}

/// As above, where a client deleted the messages that retention had left.
pub async fn a_topic_emptied_by_a_delete_names_what_retention_removed(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let given = append_many(&*store, &topic, 3).await;
    assert_eq!(prune(&*store, keep_count(1)).await, 2);
    assert_eq!(store.delete(&topic, given[2]).await, Ok(true));
    follow_from_the_mark(&*store, &*other, &topic, given[1]).await;
}

/// The empty `topic` has the watermark `mark`; a page after it is not truncated, before and after an
/// append.
async fn follow_from_the_mark(
    store: &dyn MessageStore,
    other: &dyn MessageStore,
    topic: &Topic,
    mark: MessageId,
) {
    let nothing = Page {
        pruned: Some(mark),
        ..Page::default()
    };
    assert_eq!(newest(other, topic).await, nothing);
    assert_eq!(after(other, topic, mark).await, nothing);
    let anew = append(store, topic, "text").await.id;
    assert!(anew > mark);
    let found = after(other, topic, mark).await;
    assert_eq!((ids(&found.messages), found.truncated), (vec![anew], false));
    let found = newest(other, topic).await;
    assert_eq!(ids(&found.messages), [anew]);
    assert_eq!(found.pruned, Some(mark));
}

async fn newest(store: &dyn MessageStore, topic: &Topic) -> Page {
    page(store, topic, Anchor::Newest, PageLimit::MAX).await
}

async fn after(store: &dyn MessageStore, topic: &Topic, id: MessageId) -> Page {
    page(store, topic, Anchor::After(id), PageLimit::MAX).await
}
