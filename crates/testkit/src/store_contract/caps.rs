//! The cap on the number of topics. The store has it by its settings, so the cases are called by the adapters' tests.

use posthorn_application::{AppendError, MessageStore};

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
