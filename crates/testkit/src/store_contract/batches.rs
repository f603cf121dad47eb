//! A batch is stored as a whole, and its key covers it as a whole.

use std::sync::Arc;

use posthorn_application::{Anchor, AppendBatch, AppendError, AppendedBatch, MessageStore};
use posthorn_domain::{Message, MessageBatch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::StoreHarness;
use super::support::{LONG, SOON, append, appended, ids, page, read_all, texts};
use crate::samples::{self, INSTANCE, batch, keyed_append, keyed_batch, limit, topic};

async fn stored(store: &dyn MessageStore, append: AppendBatch) -> AppendedBatch {
    store
        .append_batch(append)
        .await
        .expect("the batch is stored")
}

/// The receipts name the messages in their order.
pub async fn a_batch_is_stored_in_order_with_consecutive_ids(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    append(&*store, &topic, "before").await;
    let outcome = stored(&*store, batch(&topic, &["0", "1", "2"])).await;
    append(&*store, &topic, "after").await;
    assert!(!outcome.replayed);
    assert_eq!(outcome.count, 3);
    let all = read_all(&*store, &topic).await;
    assert_eq!(texts(&all), ["before", "0", "1", "2", "after"]);
    let receipts: Vec<_> = outcome.receipts().collect();
    let named: Vec<_> = receipts.iter().map(|receipt| receipt.id).collect();
    assert_eq!(named, ids(&all)[1..4]);
    for receipt in receipts {
        assert_eq!(receipt.topic, topic);
        assert_eq!(&*receipt.instance, INSTANCE);
        assert_eq!(receipt.durability, store.durability());
        assert_eq!(receipt.processed_at, outcome.first.processed_at);
    }
}

/// Attributes and `traceparent` of each.
pub async fn each_message_of_a_batch_keeps_its_own(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let mut sent = batch(&topic, &["0", "1", "2", "3"]).batch.into_messages();
    sent[1].traceparent = Some(samples::traceparent(1));
    sent[2].attributes = samples::attributes([("a".to_owned(), "b".to_owned())]);
    sent[3].attributes = samples::attributes([("c".to_owned(), "d".to_owned())]);
    sent[3].traceparent = Some(samples::traceparent(3));
    let append = AppendBatch {
        batch: MessageBatch::parse(sent.clone()).expect("four messages"),
        ..batch(&topic, &["x"])
    };
    let receipts = stored(&*store, append).await;
    let sent = sent.into_iter().zip(receipts.receipts());
    let sent = sent.map(|(message, receipt)| {
        let message = message.into_message(topic.clone());
        Arc::new(message.accepted_at(receipt.id, receipt.processed_at))
    });
    assert_eq!(read_all(&*store, &topic).await, sent.collect::<Vec<_>>());
}

/// Also in another process, and after its messages were deleted.
pub async fn a_retry_of_a_batch_returns_its_receipts_and_stores_nothing(
    harness: impl StoreHarness,
) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let send = || keyed_batch(&topic, &["0", "1"], "key", LONG);
    let first = stored(&*store, send()).await;
    assert_eq!(store.delete(&topic, first.first.id).await, Ok(true));
    for asked in [&store, &other] {
        let retry = AppendBatch {
            instance: Arc::from("other-pod"),
            ..send()
        };
        let again = stored(&**asked, retry).await;
        assert!(again.replayed);
        assert!(again.receipts().eq(first.receipts()));
    }
    let changed = keyed_batch(&topic, &["0", "2"], "key", LONG);
    assert_eq!(
        other.append_batch(changed).await,
        Err(AppendError::KeyReused)
    );
    assert_eq!(texts(&read_all(&*store, &topic).await), ["1"]);
}

/// Whichever comes first.
pub async fn a_key_is_one_key_for_batches_and_single_messages(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    stored(&*store, keyed_batch(&topic, &["0", "1"], "key-1", LONG)).await;
    let single = store.append(keyed_append(&topic, "0", "key-1", LONG)).await;
    assert_eq!(single, Err(AppendError::KeyReused));
    appended(&*store, keyed_append(&topic, "2", "key-2", LONG)).await;
    let batch = store.append_batch(keyed_batch(&topic, &["2"], "key-2", LONG));
    assert_eq!(batch.await, Err(AppendError::KeyReused));
    assert_eq!(texts(&read_all(&*store, &topic).await), ["0", "1", "2"]);
}

/// Of one key, only one is stored.
pub async fn concurrent_batches_do_not_mix(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let mut tasks = JoinSet::new();
    for number in 0..12 {
        let store = Arc::clone(if number % 2 == 0 { &store } else { &other });
        let names: Vec<_> = (0..5)
            .map(|item| format!("{}-{item}", number / 2))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        // Two of each, under one key.
        let key = format!("key-{}", number / 2);
        let append = keyed_batch(&topic, &names, &key, LONG);
        tasks.spawn(async move { stored(&*store, append).await.replayed });
    }
    let replayed = tasks.join_all().await;
    assert_eq!(replayed.iter().filter(|replayed| **replayed).count(), 6);
    let all = read_all(&*store, &topic).await;
    assert_eq!(all.len(), 30);
    check_whole(&all);
}

/// A page may begin or end within a batch, but the topic never does.
pub async fn a_reader_sees_a_batch_as_a_whole(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let writer = {
        let (store, topic) = (Arc::clone(&store), topic.clone());
        tokio::spawn(async move {
            for number in 0..30 {
                let names = (0..5).map(|item| format!("{number}-{item}"));
                let names: Vec<_> = names.collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                stored(&*store, batch(&topic, &names)).await;
            }
        })
    };
    loop {
        let is_done = writer.is_finished();
        check_whole(
            &page(&*other, &topic, Anchor::Oldest, limit(200))
                .await
                .messages,
        );
        let newest = page(&*other, &topic, Anchor::Newest, limit(5)).await;
        check_whole(&newest.messages);
        if is_done {
            break;
        }
    }
    writer.await.expect("every batch is stored");
    assert_eq!(read_all(&*other, &topic).await.len(), 150);
}

/// The messages `B-0` to `B-4` of each batch `B` are together.
fn check_whole(messages: &[Arc<Message>]) {
    for chunk in texts(messages).chunks(5) {
        let name = chunk[0].split('-').next().unwrap_or_default();
        let expected: Vec<_> = (0..5).map(|item| format!("{name}-{item}")).collect();
        assert_eq!(chunk, expected);
    }
}

/// Once at least.
pub async fn a_batch_wakes_a_subscriber(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let mut subscription = other.subscribe(&topic).await.expect("it subscribes");
    stored(&*store, batch(&topic, &["0", "1"])).await;
    timeout(SOON, async {
        loop {
            subscription.changed().await;
            if read_all(&*other, &topic).await.len() == 2 {
                return;
            }
        }
    })
    .await
    .expect("it wakes up");
}

/// A thousand messages, some with attributes.
pub async fn the_largest_batch_is_stored(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let names: Vec<_> = (0..MessageBatch::MAX_MESSAGES)
        .map(|n| n.to_string())
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut append = keyed_batch(&topic, &names, "key", LONG);
    let mut messages = append.batch.into_messages();
    for message in messages.iter_mut().step_by(3) {
        let entries = (0..16).map(|n| (format!("k{n}"), "я".repeat(n)));
        message.attributes = samples::attributes(entries);
    }
    append.batch = MessageBatch::parse(messages.clone()).expect("as many as before");
    let outcome = stored(&*store, append).await;
    let all = read_all(&*store, &topic).await;
    assert_eq!(texts(&all), names);
    assert!(outcome.receipts().map(|receipt| receipt.id).eq(ids(&all)));
    let expected = messages.iter().map(|message| &message.attributes);
    assert!(all.iter().map(|message| &message.attributes).eq(expected));
}

/// With its key.
pub async fn a_batch_survives_a_restart(mut harness: impl StoreHarness) {
    let topic = topic("a");
    let send = || keyed_batch(&topic, &["0", "1", "2"], "key", LONG);
    let first = stored(&*harness.store(), send()).await;
    assert!(harness.reopen().await);
    let store = harness.store();
    assert_eq!(texts(&read_all(&*store, &topic).await), ["0", "1", "2"]);
    let again = stored(&*store, send()).await;
    assert!(again.replayed && again.receipts().eq(first.receipts()));
}
