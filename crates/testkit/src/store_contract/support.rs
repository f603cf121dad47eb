//! Helpers of the cases of the store contract.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, Append, Appended, MessageStore, Page, PageLimit, PageRequest, Pruned, RetentionPolicy,
    TopicRequest, TopicSummary,
};
use posthorn_domain::{Message, MessageId, Receipt, Topic};

use crate::samples::{self, keyed_append};

/// A TTL that no case outlasts.
pub(super) const LONG: Duration = Duration::from_hours(24);

/// The time limit of a wake-up.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// Stores `text` in `topic`.
pub(super) async fn append(store: &dyn MessageStore, topic: &Topic, text: &str) -> Receipt {
    appended(store, samples::append(topic, text)).await.receipt
}

/// Stores `0`, `1`, … in `topic` and returns the ids.
pub(super) async fn append_many(
    store: &dyn MessageStore,
    topic: &Topic,
    count: usize,
) -> Vec<MessageId> {
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        ids.push(append(store, topic, &number.to_string()).await.id);
    }
    ids
}

/// The outcome of an append that must succeed.
pub(super) async fn appended(store: &dyn MessageStore, append: Append) -> Appended {
    store.append(append).await.expect("the append succeeds")
}

/// One page.
pub(super) async fn page(
    store: &dyn MessageStore,
    topic: &Topic,
    anchor: Anchor,
    limit: PageLimit,
) -> Page {
    store
        .page(topic, PageRequest { anchor, limit })
        .await
        .expect("the page is read")
}

/// All messages of `topic`, read in pages from the oldest on.
pub(super) async fn read_all(store: &dyn MessageStore, topic: &Topic) -> Vec<Arc<Message>> {
    let mut all = Vec::new();
    let mut anchor = Anchor::Oldest;
    loop {
        let next = page(store, topic, anchor, PageLimit::MAX).await;
        all.extend(next.messages);
        match all.last() {
            Some(last) if next.has_newer => anchor = Anchor::After(last.id),
            _ => return all,
        }
    }
}

/// The ids of all messages of `topic`.
pub(super) async fn read_ids(store: &dyn MessageStore, topic: &Topic) -> Vec<MessageId> {
    ids(&read_all(store, topic).await)
}

/// The ids of messages.
pub(super) fn ids(messages: &[Arc<Message>]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

/// The texts of messages.
pub(super) fn texts(messages: &[Arc<Message>]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.content.as_str())
        .collect()
}

/// The first topics, at most 200.
pub(super) async fn list_topics(store: &dyn MessageStore) -> Vec<TopicSummary> {
    let request = TopicRequest::after(None, PageLimit::MAX);
    store
        .topics(request)
        .await
        .expect("the topics are listed")
        .topics
}

/// Prunes until the policy is met; returns the number of removed messages.
pub(super) async fn prune(store: &dyn MessageStore, policy: RetentionPolicy) -> u64 {
    let mut removed = 0;
    for _ in 0..1_000 {
        let round = prune_once(store, policy, 100).await;
        removed += round.removed;
        if !round.more {
            return removed;
        }
    }
    panic!("pruning does not come to an end");
}

/// One step of pruning.
pub(super) async fn prune_once(
    store: &dyn MessageStore,
    policy: RetentionPolicy,
    budget: usize,
) -> Pruned {
    store
        .prune(&policy, budget)
        .await
        .expect("pruning succeeds")
}

/// Checks that a retry with `key` returns the first receipt.
pub(super) async fn check_replayed(
    store: &dyn MessageStore,
    topic: &Topic,
    key: &str,
    first: &Appended,
) {
    let again = appended(store, keyed_append(topic, "text", key, LONG)).await;
    assert!(again.replayed, "{key}");
    assert_eq!(again.receipt, first.receipt, "{key}");
}

/// A policy that keeps `count` messages of any age.
pub(super) fn keep_count(count: u64) -> RetentionPolicy {
    RetentionPolicy {
        max_age: LONG,
        max_count: count,
    }
}

/// A policy that keeps any number of messages for `age`.
pub(super) fn keep_for(age: Duration) -> RetentionPolicy {
    RetentionPolicy {
        max_age: age,
        max_count: u64::MAX,
    }
}

/// Removes every message of every topic by its age.
pub(super) async fn prune_everything(harness: &impl super::StoreHarness) {
    harness.pass(harness.unit()).await;
    prune(&*harness.store(), keep_for(Duration::ZERO)).await;
}
