//! Wake-ups of waiting pulls.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, ConsumerSubscription, StoreError, Subscription, TopicSubscription,
};
use posthorn_domain::ConsumerKey;
use redis::Value;

use crate::keys;
use crate::store::RedisStore;

/// Wakes for announcements of the consumer and of its topic.
struct Watch {
    consumer: ConsumerSubscription,
    /// Only so that the newest id of the topic is polled, in case an announcement is lost.
    _topic: TopicSubscription,
}

impl RedisStore {
    /// Watches a consumer.
    pub(super) async fn watch_consumer(
        &self,
        key: &ConsumerKey,
    ) -> Result<Box<dyn Subscription>, ConsumerError> {
        self.messages.start().await?;
        let watch = Watch {
            consumer: self.consumer_notifier.subscribe(key),
            _topic: self.topic_notifier.subscribe(&key.topic),
        };
        // Behind the subscription: a deletion after this is announced to it.
        let mut command = redis::cmd("EXISTS");
        command.arg(keys::consumer(&self.prefix, key));
        let slot = keys::topic_slot(&key.topic);
        let exists: Value = self
            .sessions
            .query(slot, &command)
            .await
            .map_err(StoreError::from)?;
        match exists {
            Value::Int(1) => Ok(Box::new(watch)),
            _ => Err(ConsumerError::NotFound),
        }
    }
}

#[async_trait]
impl Subscription for Watch {
    async fn changed(&mut self) {
        self.consumer.changed().await;
    }
}
