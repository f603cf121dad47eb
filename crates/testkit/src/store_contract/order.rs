//! One strict order per topic.

use std::sync::Arc;

use posthorn_application::{Anchor, MessageStore, PageLimit};
use posthorn_domain::{MessageId, Topic};
use tokio::task::JoinSet;

use super::StoreHarness;
use super::support::{append, append_many, ids, page, read_all, read_ids, texts};
use crate::samples::{limit, topic};

const WRITERS: usize = 8;
const EACH: usize = 50;

/// Each id is greater than the one before.
pub async fn ids_grow_in_the_order_of_appends(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let given = append_many(&*store, &topic, 200).await;
    assert!(given.is_sorted_by(|a, b| a < b));
    assert_eq!(read_ids(&*store, &topic).await, given);
}

/// Writers in two processes share one order, and each sees its own messages in its own order.
pub async fn concurrent_appends_get_different_ids(harness: impl StoreHarness) {
    let topic = topic("a");
    let mut given = Vec::new();
    let mut writers = spawn_writers(&harness, &topic).await;
    while let Some(ids) = writers.join_next().await {
        let ids = ids.expect("the writer ends well");
        assert!(ids.is_sorted_by(|a, b| a < b));
        given.extend(ids);
    }
    given.sort_unstable();
    assert_eq!(given.len(), WRITERS * EACH);
    assert_eq!(read_ids(&*harness.store(), &topic).await, given);
}

/// An acknowledged message can be read in every process.
pub async fn a_message_is_readable_before_its_append_returns(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    for number in 0..20 {
        let id = append(&*store, &topic, &number.to_string()).await.id;
        let newest = page(&*other, &topic, Anchor::Newest, limit(1)).await;
        assert_eq!(ids(&newest.messages), [id]);
        assert_eq!(
            other
                .get(&topic, id)
                .await
                .expect("readable")
                .map(|held| held.id),
            Some(id)
        );
    }
}

/// A reader that continues after its last id misses nothing while writers append.
pub async fn no_smaller_id_becomes_visible_later(harness: impl StoreHarness) {
    let (store, topic) = (harness.other_process().await, topic("a"));
    let mut writers = spawn_writers(&harness, &topic).await;
    let mut seen: Vec<MessageId> = Vec::new();
    let mut writing = true;
    loop {
        let cursor = seen.last().copied().unwrap_or(MessageId::MIN);
        let next = page(&*store, &topic, Anchor::After(cursor), limit(7)).await;
        seen.extend(ids(&next.messages));
        if next.messages.is_empty() && !writing {
            break;
        }
        while let Some(ended) = writers.try_join_next() {
            ended.expect("the writer ends well");
        }
        // One more read is due after the last writer has ended.
        writing = !writers.is_empty();
    }
    assert_eq!(seen.len(), WRITERS * EACH);
    assert_eq!(seen, read_ids(&*store, &topic).await);
}

/// Each topic has its own messages only.
pub async fn topics_do_not_mix(harness: impl StoreHarness) {
    let (store, a, b) = (harness.store(), topic("a"), topic("a.b"));
    let of_a = append(&*store, &a, "for a").await.id;
    append(&*store, &b, "for b").await;
    assert_eq!(texts(&read_all(&*store, &a).await), ["for a"]);
    assert_eq!(texts(&read_all(&*store, &b).await), ["for b"]);
    // Ids are unique within a topic only: the other topic may have the same.
    if let Some(found) = store.get(&b, of_a).await.expect("readable") {
        assert_eq!(texts(&[found]), ["for b"]);
    }
    store.delete(&b, of_a).await.expect("asked");
    assert_eq!(texts(&read_all(&*store, &a).await), ["for a"]);
    let newest = page(&*store, &a, Anchor::Newest, PageLimit::MAX).await;
    assert!(!newest.has_older && !newest.has_newer);
}

async fn spawn_writers(harness: &impl StoreHarness, topic: &Topic) -> JoinSet<Vec<MessageId>> {
    let stores: [Arc<dyn MessageStore>; 2] = [harness.store(), harness.other_process().await];
    let mut writers = JoinSet::new();
    for store in stores.iter().cycle().take(WRITERS) {
        let (store, topic) = (Arc::clone(store), topic.clone());
        writers.spawn(async move { append_many(&*store, &topic, EACH).await });
    }
    writers
}
