//! The cap on the number of topics, beside consumers and webhooks. The store has it by its settings, so the case is
//! called by the adapters' tests.

use std::time::Duration;

use posthorn_application::{
    AppendError, ConsumerError, ConsumerStore, MessageStore, Precondition, PutConsumer,
    RetentionPolicy, WebhookStore,
};
use posthorn_domain::{ConsumerKey, ConsumerKind};

use super::support::{key, put};
use crate::samples::{append, topic};

const POLICY: RetentionPolicy = RetentionPolicy {
    max_age: Duration::from_hours(24),
    max_count: 100,
};

/// In a store of at most `max` topics, at least 3, a topic with a consumer or a webhook counts, and a new topic gets
/// none once there are as many.
///
/// # Panics
/// If the case fails.
pub async fn topics_with_consumers_are_capped<S>(store: &S, max: usize)
where
    S: MessageStore + ConsumerStore + WebhookStore,
{
    // One topic has a consumer only, one a webhook only, and the others have messages.
    let webhook = key(&topic("hooked"), "w");
    assert_eq!(create(store, "consumed").await, Ok(true));
    assert!(store.put_webhook(&webhook, put(1)).await.is_ok());
    for number in 2..max {
        assert_eq!(send(store, &format!("t{number}")).await, Ok(()));
    }
    let usage = store.usage().await.map(|usage| usage.topics);
    assert_eq!(usage, Ok(u64::try_from(max).unwrap_or(u64::MAX)));

    // No new topic gets its first message, consumer or webhook.
    let (too_many, other) = (ConsumerError::TooManyTopics, key(&topic("other"), "w"));
    assert_eq!(send(store, "other").await, Err(AppendError::TooManyTopics));
    assert_eq!(create(store, "other").await, Err(too_many.clone()));
    let rejected = store.put_webhook(&other, put(1)).await;
    assert_eq!(rejected.err(), Some(too_many));
    let changed = put_consumer(store, "other", Precondition::Exists).await;
    assert_eq!(changed, Err(ConsumerError::PreconditionFailed));

    // The topics that count get more.
    assert_eq!(send(store, "consumed").await, Ok(()));
    assert_eq!(create(store, "hooked").await, Ok(true));
    assert_eq!(create(store, "t2").await, Ok(true));
    let changed = put_consumer(store, "t2", Precondition::Exists).await;
    assert_eq!(changed, Ok(false));

    // A topic that has none of them any more does not count. A store may need a step of pruning for that.
    for key in [webhook, consumer("hooked")] {
        assert_eq!(send(store, "other").await, Err(AppendError::TooManyTopics));
        let deleted = ConsumerStore::delete(store, &key, &Precondition::None).await;
        assert_eq!(deleted, Ok(()));
        assert!(store.prune(&POLICY, 100).await.is_ok());
    }
    assert_eq!(create(store, "other").await, Ok(true));
    assert_eq!(send(store, "hooked").await, Err(AppendError::TooManyTopics));
}

async fn send(store: &impl MessageStore, name: &str) -> Result<(), AppendError> {
    let appended = store.append(append(&topic(name), "text")).await;
    appended.map(drop)
}

/// Creates the consumer of the topic `name`; returns true.
async fn create(store: &impl ConsumerStore, name: &str) -> Result<bool, ConsumerError> {
    put_consumer(store, name, Precondition::Absent).await
}

async fn put_consumer(
    store: &impl ConsumerStore,
    name: &str,
    precondition: Precondition,
) -> Result<bool, ConsumerError> {
    let put = PutConsumer {
        precondition,
        ..put(1).consumer()
    };
    let outcome = store.put(&consumer(name), put).await;
    outcome.map(|put| put.created)
}

fn consumer(name: &str) -> ConsumerKey {
    ConsumerKey {
        kind: ConsumerKind::Consumer,
        ..key(&topic(name), "c")
    }
}
