//! The `WebhookStore` port in memory.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, PutWebhook, RequeueRequest, Requeued, StoreError, Subscription,
    WebhookIncarnation, WebhookPut, WebhookStatus, WebhookStore, WebhookTarget,
};
use posthorn_domain::{ConsumerKey, DisableReason, Topic, WebhookAttempt, WebhookHealth};

use super::MemoryStore;

#[async_trait]
impl WebhookStore for MemoryStore {
    async fn put_webhook(
        &self,
        key: &ConsumerKey,
        put: PutWebhook,
    ) -> Result<WebhookPut, ConsumerError> {
        let put = self.with_consumers(&key.topic, |all, at| all.put_webhook(key, put, at))?;
        self.consumer_notifier.notify(key);
        self.webhook_notifier.notify();
        Ok(put)
    }

    async fn webhook(&self, key: &ConsumerKey) -> Result<WebhookStatus, ConsumerError> {
        self.with_consumers(&key.topic, |all, at| all.webhook_status(key, at))
    }

    async fn webhooks(&self, topic: &Topic) -> Result<Vec<WebhookStatus>, StoreError> {
        self.with_consumers(topic, |all, at| Ok(all.webhooks(topic, at)))
    }

    async fn set_disabled(
        &self,
        key: &ConsumerKey,
        reason: Option<DisableReason>,
        of: Option<&WebhookTarget>,
    ) -> Result<bool, ConsumerError> {
        let changed = self.with_consumers(&key.topic, |all, at| {
            let changed = all.with_webhook(key, None, at, |webhook| {
                let url = &webhook.record.settings.url;
                let is_meant = of.is_none_or(|of| of.is(webhook.incarnation, url));
                is_meant.then(|| webhook.health.set_disabled(reason))
            });
            changed?.ok_or(ConsumerError::NotFound)
        })?;
        if changed && reason.is_none() {
            self.consumer_notifier.notify(key);
        }
        if changed {
            self.webhook_notifier.notify();
        }
        Ok(changed)
    }

    async fn record_attempts(
        &self,
        key: &ConsumerKey,
        of: WebhookIncarnation,
        attempts: &[WebhookAttempt],
    ) -> Result<WebhookHealth, ConsumerError> {
        self.with_consumers(&key.topic, |all, at| {
            all.with_webhook(key, Some(of), at, |webhook| {
                webhook.record(attempts);
                webhook.health.clone()
            })
        })
    }

    async fn attempts(&self, key: &ConsumerKey) -> Result<Vec<WebhookAttempt>, ConsumerError> {
        self.with_consumers(&key.topic, |all, at| {
            all.with_webhook(key, None, at, |webhook| webhook.attempts())
        })
    }

    async fn requeue(
        &self,
        key: &ConsumerKey,
        request: RequeueRequest,
    ) -> Result<Requeued, ConsumerError> {
        let requeued = self.with_consumers(&key.topic, |all, at| {
            all.update(key, at, |consumer, step| consumer.requeue(request, step))
        })??;
        if requeued.queued > 0 {
            self.consumer_notifier.notify(key);
        }
        Ok(requeued)
    }

    async fn watch_webhooks(&self) -> Result<Box<dyn Subscription>, StoreError> {
        let subscription = self.webhook_notifier.subscribe();
        // Looked at afterwards, so that `close` either wakes it or is seen here.
        drop(self.open()?);
        Ok(Box::new(subscription))
    }
}
