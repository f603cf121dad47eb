//! A damaged webhook, which hides and blocks no other.

use posthorn_application::{ConsumerError, ConsumerStore, Precondition, WebhookStore};
use posthorn_domain::{ConsumerKey, ConsumerKind, MessageId, Topic};

use super::support::{key, put};

/// `damage` damages the record of one of the webhooks of `topic`, whose key is returned.
///
/// # Panics
/// If the store does not keep its contract.
pub async fn a_damaged_webhook_hides_no_other<S: ConsumerStore + WebhookStore>(
    store: &S,
    topic: &Topic,
    damage: impl AsyncFn(&ConsumerKey),
) -> ConsumerKey {
    let [first, damaged, last] = ["a", "b", "c"].map(|name| key(topic, name));
    for key in [&first, &damaged, &last] {
        store.put_webhook(key, put(1)).await.unwrap();
    }
    damage(&damaged).await;
    assert_eq!(listed(store, topic).await, [first.clone(), last.clone()]);
    let found = store.webhook(&damaged).await;
    assert!(matches!(found, Err(ConsumerError::Store(_))), "{found:?}");
    let kind = ConsumerKind::Webhook;
    let consumers = store.list(topic, kind).await.unwrap();
    for intact in [&first, &last] {
        assert!(consumers.iter().any(|consumer| consumer.key == *intact));
    }
    let deliveries = store.deliveries(topic, kind, MessageId::MIN).await;
    assert_eq!(deliveries, Ok(Vec::new()));
    damaged
}

/// The webhook `damaged` is one of three.
///
/// # Panics
/// If the store does not keep its contract.
pub async fn a_damaged_webhook_can_be_deleted<S: ConsumerStore + WebhookStore>(
    store: &S,
    damaged: &ConsumerKey,
) {
    let deleted = store.delete(damaged, &Precondition::None).await;
    assert_eq!(deleted, Ok(()));
    store.put_webhook(damaged, put(1)).await.unwrap();
    assert_eq!(listed(store, &damaged.topic).await.len(), 3);
}

async fn listed(store: &impl WebhookStore, topic: &Topic) -> Vec<ConsumerKey> {
    let webhooks = store.webhooks(topic).await.unwrap().into_iter();
    webhooks.map(|webhook| webhook.consumer.key).collect()
}
