//! The cap on the number of topics. The store has it by its settings, so the cases are called by the adapters' tests.

use posthorn_application::{AppendError, MessageStore};
use posthorn_domain::Topic;

use super::support::{append, appended};
use crate::samples::{self, keyed_append, topic};

/// A store of at most `max` topics, at least 2, takes messages to those and rejects others.
///
/// # Panics
/// If the case fails.
pub async fn topics_are_capped(store: &dyn MessageStore, max: usize) {
    for number in 0..max {
        append(store, &topic(&format!("t{number}")), "text").await;
    }
    let (known, other) = (topic("t0"), topic("other"));
    let ttl = super::support::LONG;
    let rejected = [
        store.append(samples::append(&other, "text")).await,
        store.append(keyed_append(&other, "text", "key", ttl)).await,
    ];
    assert_eq!(
        rejected,
        [
            Err(AppendError::TooManyTopics),
            Err(AppendError::TooManyTopics)
        ]
    );
    let batch = store.append_batch(samples::batch(&other, &["text"])).await;
    assert_eq!(batch, Err(AppendError::TooManyTopics));
    append(store, &known, "more").await;
    appended(store, keyed_append(&known, "text", "key", ttl)).await;
    let usage = store.usage().await.expect("the usage is read");
    assert_eq!(usage.topics, u64::try_from(max).unwrap_or(u64::MAX));
}

/// A retry needs no place for its topic, which was `forget`ed with its messages. `other` is a second process on the store.
///
/// # Panics
/// If the case fails.
pub async fn a_retry_is_answered_where_its_topic_has_no_place(
    store: &dyn MessageStore,
    other: &dyn MessageStore,
    max: usize,
    forget: impl AsyncFn(&Topic),
) {
    let (retried, ttl) = (topic("retried"), super::support::LONG);
    let retry = || keyed_append(&retried, "text", "key", ttl);
    let first = appended(store, retry()).await;
    assert_eq!(store.delete(&retried, first.receipt.id).await, Ok(true));
    forget(&retried).await;
    for number in 0..max {
        append(store, &topic(&format!("t{number}")), "text").await;
    }
    let again = appended(other, retry()).await;
    assert_eq!((again.receipt.id, again.replayed), (first.receipt.id, true));
    let reused = other
        .append(keyed_append(&retried, "other", "key", ttl))
        .await;
    assert_eq!(reused, Err(AppendError::KeyReused));
    for new in [
        keyed_append(&retried, "text", "new", ttl),
        samples::append(&retried, "text"),
    ] {
        assert_eq!(other.append(new).await, Err(AppendError::TooManyTopics));
    }
    let usage = store.usage().await.expect("the usage is read");
    assert_eq!(usage.topics, u64::try_from(max).unwrap_or(u64::MAX));
}
