//! The `WebhookStore` port on the file: every call is a step of the writer, as those of consumers.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, PutWebhook, RequeueRequest, Requeued, StoreError, Subscription,
    WebhookIncarnation, WebhookPut, WebhookStatus, WebhookStore, WebhookTarget,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, DisableReason, Topic, WebhookAttempt, WebhookHealth,
};

use crate::sql::consumers::{Call, put_webhook, with_consumer};
use crate::store::EmbeddedStore;

impl EmbeddedStore {
    /// Executes `operation` on the webhook `key`; it returns `None` for a consumer without a record.
    async fn call_on_webhook<T: Send + 'static>(
        &self,
        key: &ConsumerKey,
        mut operation: impl FnMut(&mut Call<'_>) -> rusqlite::Result<Option<T>> + Send + 'static,
    ) -> Result<T, ConsumerError> {
        let outcome = self.call_on(key, move |call| Ok((operation(call)?, false)));
        outcome.await?.ok_or(ConsumerError::NotFound)
    }
}

#[async_trait]
impl WebhookStore for EmbeddedStore {
    async fn put_webhook(
        &self,
        key: &ConsumerKey,
        put: PutWebhook,
    ) -> Result<WebhookPut, ConsumerError> {
        let owned = key.clone();
        self.call_changing_webhooks(key, move |batch, now| {
            let outcome = put_webhook(batch, &owned, &put, now)?;
            Ok(outcome.map(|put| (put, true)))
        })
        .await
    }

    async fn webhook(&self, key: &ConsumerKey) -> Result<WebhookStatus, ConsumerError> {
        let webhook = self.inspect_one(key, |call| call.webhook()).await?;
        webhook.ok_or(ConsumerError::NotFound)
    }

    async fn webhooks(&self, topic: &Topic) -> Result<Vec<WebhookStatus>, StoreError> {
        let listed = self.inspect_kind(topic, ConsumerKind::Webhook, |call| call.webhook());
        Ok(listed.await?.into_iter().flatten().collect())
    }

    async fn set_disabled(
        &self,
        key: &ConsumerKey,
        reason: Option<DisableReason>,
        of: Option<&WebhookTarget>,
    ) -> Result<bool, ConsumerError> {
        let (owned, of) = (key.clone(), of.cloned());
        let changed = self.call_changing_webhooks(key, move |batch, now| {
            let outcome = with_consumer(batch, &owned, now, |call| {
                call.set_disabled(reason, of.as_ref())
            })?;
            // What waits is found by a pull behind the one that found the webhook disabled.
            let wakes = reason.is_none() && outcome == Ok(Some(true));
            Ok(outcome.map(|changed| (changed, wakes)))
        });
        changed.await?.ok_or(ConsumerError::NotFound)
    }

    async fn record_attempts(
        &self,
        key: &ConsumerKey,
        of: WebhookIncarnation,
        attempts: &[WebhookAttempt],
    ) -> Result<WebhookHealth, ConsumerError> {
        let attempts = attempts.to_vec();
        self.call_on_webhook(key, move |call| call.record_attempts(of, &attempts))
            .await
    }

    async fn attempts(&self, key: &ConsumerKey) -> Result<Vec<WebhookAttempt>, ConsumerError> {
        let attempts = self.inspect_one(key, |call| call.attempts()).await?;
        attempts.ok_or(ConsumerError::NotFound)
    }

    async fn requeue(
        &self,
        key: &ConsumerKey,
        request: RequeueRequest,
    ) -> Result<Requeued, ConsumerError> {
        self.call_on(key, move |call| {
            let requeued = call.requeue(request)?;
            Ok((requeued, requeued.queued > 0))
        })
        .await
    }

    async fn watch_webhooks(&self) -> Result<Box<dyn Subscription>, StoreError> {
        let subscription = self.notifiers().webhooks.subscribe();
        // Looked at after the subscription: a close either wakes it or is seen here.
        self.check_open()?;
        Ok(Box::new(subscription))
    }
}
