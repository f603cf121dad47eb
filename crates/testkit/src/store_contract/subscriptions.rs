//! Wake-ups: none is missed, whichever process accepted the message.

use std::time::Duration;

use posthorn_application::{Anchor, MessageStore, PageLimit, Subscription};
use posthorn_domain::{MessageId, Topic};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::StoreHarness;
use super::support::{SOON, append, append_many, ids, page, read_ids};
use crate::samples::topic;

/// Subscribers of every process, each woken for each of several appends.
pub async fn an_append_wakes_every_subscriber(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let mut subscriptions = Vec::new();
    for store in [&store, &other].into_iter().cycle().take(20) {
        subscriptions.push(subscribe(&**store, &topic).await);
    }
    for asked in [&store, &other, &store] {
        let mut waiting = JoinSet::new();
        for mut subscription in subscriptions.drain(..) {
            waiting.spawn(async move {
                wait(&mut *subscription).await;
                subscription
            });
        }
        append(&**asked, &topic, "text").await;
        subscriptions = waiting.join_all().await;
    }
    assert_eq!(subscriptions.len(), 20);
}

/// The wait returns for an append since the subscription, or since the last wait.
pub async fn an_append_before_the_wait_is_not_missed(harness: impl StoreHarness) {
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    append(&*store, &topic, "before").await;
    let mut subscription = subscribe(&*other, &topic).await;
    for _ in 0..3 {
        append(&*store, &topic, "text").await;
        wait(&mut *subscription).await;
    }
}

/// A wait may be dropped at any await without an effect on the next one.
pub async fn a_dropped_wait_misses_nothing(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let mut subscription = subscribe(&*store, &topic).await;
    for _ in 0..10 {
        // The first wait may return early or be dropped: the next one must return.
        let _ = timeout(Duration::from_millis(1), subscription.changed()).await;
        append(&*store, &topic, "text").await;
        wait(&mut *subscription).await;
    }
}

/// A cursor with wake-ups returns every message once and in order while writers append.
pub async fn a_subscriber_reads_every_message_once(harness: impl StoreHarness) {
    const WRITERS: usize = 4;
    const EACH: usize = 100;
    let (store, other, topic) = (harness.store(), harness.other_process().await, topic("a"));
    let mut subscription = subscribe(&*other, &topic).await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (store, topic) = (harness.store(), topic.clone());
        writers.spawn(async move { append_many(&*store, &topic, EACH).await });
    }
    let mut seen: Vec<MessageId> = Vec::new();
    while seen.len() < WRITERS * EACH {
        wait(&mut *subscription).await;
        loop {
            let cursor = seen.last().copied().unwrap_or(MessageId::MIN);
            let next = page(&*other, &topic, Anchor::After(cursor), PageLimit::MAX).await;
            seen.extend(ids(&next.messages));
            if !next.has_newer {
                break;
            }
        }
    }
    writers.join_all().await;
    assert_eq!(seen, read_ids(&*store, &topic).await);
}

/// Many short-lived subscriptions, before, between and after long-lived ones.
pub async fn short_lived_subscriptions_do_not_affect_others(harness: impl StoreHarness) {
    let (store, kept, left) = (harness.store(), topic("a"), topic("b"));
    let mut stays = subscribe(&*store, &kept).await;
    for round in 0..100 {
        for topic in [&kept, &left] {
            let mut goes = subscribe(&*store, topic).await;
            if round % 2 == 0 {
                let _ = timeout(Duration::from_micros(10), goes.changed()).await;
            }
        }
    }
    append(&*store, &left, "text").await;
    append(&*store, &kept, "text").await;
    wait(&mut *stays).await;
    let mut anew = subscribe(&*store, &left).await;
    append(&*store, &left, "text").await;
    wait(&mut *anew).await;
}

async fn subscribe(store: &dyn MessageStore, topic: &Topic) -> Box<dyn Subscription> {
    store.subscribe(topic).await.expect("subscribed")
}

async fn wait(subscription: &mut dyn Subscription) {
    timeout(SOON, subscription.changed())
        .await
        .expect("the subscriber is woken");
}
