//! Messages come back unchanged; deleted ones stay deleted.

use std::sync::Arc;

use posthorn_application::{Anchor, Append, PageLimit};
use posthorn_domain::{
    Attributes, ContentRules, MessageContent, MessageId, NewMessage, Timestamp, Topic,
};

use super::StoreHarness;
use super::support::{append, append_many, appended, list_topics, page, read_all, read_ids};
use crate::samples::{self, topic};

/// Texts and attributes at their limits, in any script, with and without a `traceparent`.
pub async fn a_message_comes_back_as_it_was_sent(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let sent = awkward_messages(&topic);
    let mut stored = Vec::new();
    for message in sent {
        let given = Append {
            message: message.clone(),
            ..samples::append(&topic, "x")
        };
        let receipt = appended(&*store, given).await.receipt;
        stored.push(Arc::new(
            message.accepted_at(receipt.id, receipt.processed_at),
        ));
    }
    for message in &stored {
        let held = other
            .get(&topic, message.id)
            .await
            .expect("readable")
            .expect("held");
        assert_eq!(held, *message);
        assert_eq!(held.content.as_str(), message.content.as_str());
    }
    assert_eq!(read_all(&*other, &topic).await, stored);
}

/// The receipt has the topic, the instance, the durability and the id of the message.
pub async fn a_receipt_names_what_was_stored(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let outcome = appended(&*store, samples::append(&topic, "text")).await;
    assert!(!outcome.replayed);
    assert_eq!(outcome.receipt.topic, topic);
    assert_eq!(&*outcome.receipt.instance, samples::INSTANCE);
    assert_eq!(outcome.receipt.durability, store.durability());
    let held = store
        .get(&topic, outcome.receipt.id)
        .await
        .expect("readable")
        .expect("held");
    assert_eq!(held.processed_at, outcome.receipt.processed_at);
}

/// A duration back from the time of the store selects what it dated since, whatever the clock of the process.
pub async fn a_message_is_dated_by_the_time_of_the_store(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let before = store.now(&topic).await.unwrap();
    let dated = append(&*store, &topic, "text").await.processed_at;
    let after = store.now(&topic).await.unwrap();
    assert!(
        before <= dated && dated <= after,
        "{before:?} {dated:?} {after:?}"
    );
}

/// Unknown ids, in topics with messages and in others.
pub async fn an_unknown_message_is_not_found(harness: impl StoreHarness) {
    let (store, held, empty) = (harness.store(), topic("a"), topic("b"));
    let id = append(&*store, &held, "text").await.id;
    let later = MessageId::new(id.timestamp(), id.sequence() + 1);
    let unknown = MessageId::new(Timestamp::from_millis(1), 1);
    for (topic, id) in [
        (&held, later),
        (&held, unknown),
        (&held, MessageId::MIN),
        (&held, MessageId::MAX),
        (&empty, id),
    ] {
        assert_eq!(store.get(topic, id).await, Ok(None), "{topic} {id}");
        assert_eq!(store.delete(topic, id).await, Ok(false), "{topic} {id}");
    }
    assert_eq!(read_ids(&*store, &held).await, [id]);
}

/// A delete removes one message, once, for every process.
pub async fn a_deleted_message_is_gone_for_good(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let given = append_many(&*store, &topic, 3).await;
    let [first, second, third] = given.as_slice() else {
        panic!("three ids")
    };
    assert_eq!(store.delete(&topic, *second).await, Ok(true));
    assert_eq!(store.delete(&topic, *second).await, Ok(false));
    assert_eq!(other.get(&topic, *second).await, Ok(None));
    assert_eq!(read_ids(&*other, &topic).await, [*first, *third]);
    let listed = list_topics(&*other).await;
    assert_eq!(listed.first().map(|summary| summary.count), Some(2));
    for id in [first, third] {
        assert_eq!(other.delete(&topic, *id).await, Ok(true));
    }
    let empty = page(&*store, &topic, Anchor::Oldest, PageLimit::MAX).await;
    assert!(empty.messages.is_empty() && !empty.has_newer && !empty.has_older);
}

fn awkward_messages(topic: &Topic) -> Vec<NewMessage> {
    let texts = [
        "x".to_owned(),
        "я".repeat(1_000),
        "👩‍👩‍👧 \u{10ffff}\u{fffd} ﷽ é e\u{301}".to_owned(),
        "line\n\tline  with  \"quotes\", 'quotes', \\ and {braces}".to_owned(),
        "$-1 *2 %s ${x} <b>&amp;</b> -- ;".to_owned(),
    ];
    let many = (0..16).map(|n| (format!("{n:02}{}", "k".repeat(62)), "ж".repeat(256)));
    let few = [
        ("a.b_c-d", ""),
        ("content", "of an attribute"),
        ("0", "\n\t👋"),
    ];
    let all_attributes = [
        Attributes::default(),
        Attributes::parse(few).unwrap(),
        Attributes::parse(many).unwrap(),
    ];
    let traceparents = [None, Some(samples::traceparent(u64::MAX))];
    let one = |text: &String, (attributes, traceparent): (&Attributes, &Option<_>)| NewMessage {
        topic: topic.clone(),
        content: MessageContent::parse(text, &ContentRules::default()).unwrap(),
        attributes: attributes.clone(),
        traceparent: traceparent.clone(),
    };
    let mut messages = Vec::new();
    for text in &texts {
        for attributes in &all_attributes {
            let all = traceparents.iter();
            messages.extend(all.map(|traceparent| one(text, (attributes, traceparent))));
        }
    }
    messages
}
