//! Retries are recognised in every process and under concurrency.

use std::sync::Arc;

use posthorn_application::{Append, AppendError};
use tokio::task::JoinSet;

use super::StoreHarness;
use super::support::{
    LONG, append, appended, keep_count, prune, prune_everything, read_all, read_ids, texts,
};
use crate::samples::{self, keyed_append, topic};

/// The first receipt again, field for field, also from another process.
pub async fn a_retry_returns_the_first_receipt_and_stores_nothing(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let first = appended(&*store, keyed_append(&topic, "text", "key", LONG)).await;
    assert!(!first.replayed);
    append(&*store, &topic, "another").await;
    for asked in [&store, &other] {
        let retry = Append {
            instance: Arc::from("other-pod"),
            ..keyed_append(&topic, "text", "key", LONG)
        };
        let again = appended(&**asked, retry).await;
        assert!(again.replayed);
        assert_eq!(again.receipt, first.receipt);
    }
    assert_eq!(texts(&read_all(&*store, &topic).await), ["text", "another"]);
}

/// The key stays with the first message, and nothing is stored.
pub async fn a_key_used_for_another_message_is_rejected(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let first = appended(&*store, keyed_append(&topic, "text", "key", LONG)).await;
    let refused = other
        .append(keyed_append(&topic, "another", "key", LONG))
        .await;
    assert_eq!(refused, Err(AppendError::KeyReused));
    assert_eq!(read_ids(&*store, &topic).await, [first.receipt.id]);
    let retry = appended(&*other, keyed_append(&topic, "text", "key", LONG)).await;
    assert_eq!(retry.receipt, first.receipt);
}

/// One key in two topics belongs to two messages; similar keys differ.
pub async fn a_key_is_scoped_to_its_topic(harness: impl StoreHarness) {
    let (store, a, b) = (harness.store(), topic("a"), topic("a.b"));
    for (topic, key) in [
        (&a, "key"),
        (&b, "key"),
        (&a, "KEY"),
        (&a, "b.key"),
        (&a, "{b}:key"),
    ] {
        let outcome = appended(&*store, keyed_append(topic, key, key, LONG)).await;
        assert!(!outcome.replayed, "{key} in {topic}");
    }
    assert_eq!(
        texts(&read_all(&*store, &a).await),
        ["key", "KEY", "b.key", "{b}:key"]
    );
    assert_eq!(texts(&read_all(&*store, &b).await), ["key"]);
}

/// A retry after the message was deleted or pruned does not bring it back.
pub async fn a_key_outlives_its_message(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let deleted = appended(&*store, keyed_append(&topic, "deleted", "key-1", LONG)).await;
    assert_eq!(store.delete(&topic, deleted.receipt.id).await, Ok(true));
    let pruned = appended(&*store, keyed_append(&topic, "pruned", "key-2", LONG)).await;
    append(&*store, &topic, "kept").await;
    assert_eq!(prune(&*store, keep_count(1)).await, 1);
    check_replays(
        &harness,
        &[("deleted", "key-1", &deleted), ("pruned", "key-2", &pruned)],
    )
    .await;
    prune_everything(&harness).await;
    check_replays(
        &harness,
        &[("deleted", "key-1", &deleted), ("pruned", "key-2", &pruned)],
    )
    .await;
    assert_eq!(read_ids(&*store, &topic).await, []);
}

async fn check_replays(
    harness: &impl StoreHarness,
    expected: &[(&str, &str, &posthorn_application::Appended)],
) {
    for (text, key, first) in expected {
        let retry = keyed_append(&first.receipt.topic, text, key, LONG);
        let again = appended(&*harness.store(), retry).await;
        assert!(again.replayed, "{key}");
        assert_eq!(again.receipt, first.receipt);
    }
}

/// Each key has a TTL of its own.
pub async fn a_key_expires_after_its_ttl(harness: impl StoreHarness) {
    let (store, topic, unit) = (harness.store(), topic("a"), harness.unit());
    let long = appended(&*store, keyed_append(&topic, "long", "key-1", LONG)).await;
    let short = appended(&*store, keyed_append(&topic, "short", "key-2", unit)).await;
    harness.pass(unit * 2).await;
    let anew = appended(&*store, keyed_append(&topic, "anew", "key-2", LONG)).await;
    assert!(!anew.replayed);
    assert!(anew.receipt.id > short.receipt.id);
    let remembered = appended(&*store, keyed_append(&topic, "long", "key-1", LONG)).await;
    assert!(remembered.replayed);
    assert_eq!(remembered.receipt, long.receipt);
    // The key now belongs to its second message.
    let again = appended(&*store, keyed_append(&topic, "anew", "key-2", LONG)).await;
    assert_eq!(again.receipt, anew.receipt);
    assert_eq!(
        texts(&read_all(&*store, &topic).await),
        ["long", "short", "anew"]
    );
}

/// Sixty-four concurrent requests in two processes: one message and one receipt.
pub async fn concurrent_appends_of_one_key_store_one_message(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    for round in 0..5 {
        let key = format!("key-{round}");
        let mut tasks = JoinSet::new();
        for asked in [&store, &other].into_iter().cycle().take(64) {
            let (asked, topic, key) = (Arc::clone(asked), topic.clone(), key.clone());
            tasks.spawn(async move {
                appended(&*asked, keyed_append(&topic, "text", &key, LONG)).await
            });
        }
        let outcomes = tasks.join_all().await;
        let fresh: Vec<_> = outcomes
            .iter()
            .filter(|outcome| !outcome.replayed)
            .collect();
        let [first] = fresh.as_slice() else {
            panic!("{} messages were stored", fresh.len())
        };
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.receipt == first.receipt)
        );
        assert_eq!(read_ids(&*store, &topic).await.len(), round + 1);
    }
}

/// Without a key no retry is recognised.
pub async fn equal_messages_without_a_key_are_all_stored(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    for _ in 0..3 {
        assert!(
            !appended(&*store, samples::append(&topic, "text"))
                .await
                .replayed
        );
    }
    assert_eq!(texts(&read_all(&*store, &topic).await), ["text"; 3]);
}
