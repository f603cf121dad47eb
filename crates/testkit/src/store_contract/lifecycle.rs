//! Open and closed.

use posthorn_application::{
    Anchor, AppendError, PageLimit, PageRequest, RetentionPolicy, StoreError, TopicRequest,
};

use super::StoreHarness;
use super::support::{LONG, append};
use crate::samples::{self, topic};

/// An open store is healthy, and the check changes nothing.
pub async fn an_open_store_is_healthy(harness: impl StoreHarness) {
    let store = harness.store();
    assert_eq!(store.health().await, Ok(()));
    append(&*store, &topic("a"), "text").await;
    assert_eq!(store.health().await, Ok(()));
    assert_eq!(
        store.durability(),
        harness.other_process().await.durability()
    );
}

/// Every operation returns that error, and closing again is no error.
pub async fn a_closed_store_is_unavailable(harness: impl StoreHarness) {
    let (store, topic) = (harness.store(), topic("a"));
    let id = append(&*store, &topic, "text").await.id;
    store.close().await;
    store.close().await;
    match store.append(samples::append(&topic, "text")).await {
        Err(AppendError::Store(error)) => check("append", &Err(error)),
        outcome => panic!("append: {outcome:?}"),
    }
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::MAX,
    };
    let topics = TopicRequest::after(None, PageLimit::MAX);
    let policy = RetentionPolicy {
        max_age: LONG,
        max_count: 1,
    };
    check("get", &store.get(&topic, id).await.map(drop));
    check("page", &store.page(&topic, request).await.map(drop));
    check("delete", &store.delete(&topic, id).await.map(drop));
    let deletion = store.delete_before(&topic, id, 1).await;
    check("delete before", &deletion.map(drop));
    check("topics", &store.topics(topics).await.map(drop));
    check("subscribe", &store.subscribe(&topic).await.map(drop));
    check("prune", &store.prune(&policy, 10).await.map(drop));
    check("health", &store.health().await);
}

#[track_caller]
fn check(operation: &str, outcome: &Result<(), StoreError>) {
    assert!(
        matches!(outcome, Err(StoreError::Unavailable(_))),
        "{operation}: {outcome:?}"
    );
}
