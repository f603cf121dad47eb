//! The webhooks of all topics: consumers with a record.

use posthorn_application::{
    ConsumerError, PutWebhook, WebhookIncarnation, WebhookPut, WebhookStatus,
};
use posthorn_domain::{ConsumerKey, ConsumerKind, Topic};

use super::webhook::HeldWebhook;
use super::{Consumers, StoreView};

impl Consumers {
    /// Creates the webhook `key`, or replaces its record.
    pub(crate) fn put_webhook(
        &mut self,
        key: &ConsumerKey,
        put: PutWebhook,
        at: StoreView<'_>,
    ) -> Result<WebhookPut, ConsumerError> {
        let created = self.put(key, put.consumer(), at)?.created;
        self.incarnations += 1;
        let incarnation = WebhookIncarnation(self.incarnations);
        self.update(key, at, |consumer, _| match &mut consumer.webhook {
            Some(webhook) => webhook.record = put.record,
            None => consumer.webhook = Some(Box::new(HeldWebhook::new(put.record, incarnation))),
        })?;
        let status = self.webhook_status(key, at)?;
        Ok(WebhookPut { created, status })
    }

    /// The webhook `key` at a glance.
    pub(crate) fn webhook_status(
        &mut self,
        key: &ConsumerKey,
        at: StoreView<'_>,
    ) -> Result<WebhookStatus, ConsumerError> {
        let consumer = self.status(key, at)?;
        self.with_webhook(key, None, at, |webhook| WebhookStatus {
            consumer,
            incarnation: webhook.incarnation,
            record: webhook.record.clone(),
            health: webhook.health.clone(),
        })
    }

    /// The webhooks of `topic`, by name.
    pub(crate) fn webhooks(&mut self, topic: &Topic, at: StoreView<'_>) -> Vec<WebhookStatus> {
        let consumers = self.list(topic, ConsumerKind::Webhook, at);
        let keys = consumers.into_iter().map(|consumer| consumer.key);
        keys.filter_map(|key| self.webhook_status(&key, at).ok())
            .collect()
    }

    /// Runs `operation` on the webhook `key`, if it is of the incarnation `of`; `None` is any.
    pub(crate) fn with_webhook<T>(
        &mut self,
        key: &ConsumerKey,
        of: Option<WebhookIncarnation>,
        at: StoreView<'_>,
        operation: impl FnOnce(&mut HeldWebhook) -> T,
    ) -> Result<T, ConsumerError> {
        let outcome = self.update(key, at, |consumer, _| {
            let webhook = consumer.webhook.as_deref_mut();
            let webhook = webhook.filter(|webhook| of.is_none_or(|of| of == webhook.incarnation));
            webhook.map(operation)
        })?;
        outcome.ok_or(ConsumerError::NotFound)
    }
}
