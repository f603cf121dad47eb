//! The `WebhookStore` port on Redis.

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, MAX_CONSUMERS_PER_TOPIC, MAX_KEPT_ATTEMPTS, PutWebhook, RequeueRequest,
    Requeued, StoreError, Subscription, WebhookIncarnation, WebhookPut, WebhookStatus,
    WebhookStore, WebhookTarget,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, DisableReason, Topic, WebhookAttempt, WebhookHealth,
};

use super::{arguments, replies, webhook_record};
use crate::store::RedisStore;
use crate::store::record::padded_id;
use crate::store::scripts;
use crate::store::write::command::{CallKind, ConsumerScriptCall};

#[async_trait]
impl WebhookStore for RedisStore {
    async fn put_webhook(
        &self,
        key: &ConsumerKey,
        put: PutWebhook,
    ) -> Result<WebhookPut, ConsumerError> {
        let consumer = put.consumer();
        let mut arguments = arguments::put(&consumer, MAX_CONSUMERS_PER_TOPIC);
        arguments.extend(webhook_record::fields(&put.record));
        let created = self.put_indexed(key, &consumer, arguments, |reply| {
            let put = webhook_record::put(key, reply)?;
            Ok((put.created, put))
        });
        created.await
    }

    async fn webhook(&self, key: &ConsumerKey) -> Result<WebhookStatus, ConsumerError> {
        let reply = self.call(CallKind::Volatile, &scripts::WEBHOOK, key, []);
        Ok(webhook_record::webhook(key, reply.await?)?)
    }

    async fn webhooks(&self, topic: &Topic) -> Result<Vec<WebhookStatus>, StoreError> {
        let call = ConsumerScriptCall {
            script: &scripts::WEBHOOKS,
            topic: topic.clone(),
            arguments: vec![format!("{}:", ConsumerKind::Webhook.as_str())],
            kind: CallKind::Volatile,
        };
        let reply = replies::outcome(self.bounded(self.send(call)).await?);
        let reply = reply.map_err(ConsumerError::into_store_error)?;
        webhook_record::webhooks(topic, (reply, &self.damaged_consumers))
    }

    async fn set_disabled(
        &self,
        key: &ConsumerKey,
        reason: Option<DisableReason>,
        of: Option<&WebhookTarget>,
    ) -> Result<bool, ConsumerError> {
        let reason = reason.map_or("", DisableReason::as_str).to_owned();
        let incarnation = of.map_or_else(String::new, |of| of.incarnation.0.to_string());
        let url = of.and_then(|of| of.url.as_ref());
        let url = url.map_or_else(String::new, |url| url.as_str().to_owned());
        let arguments = [reason, incarnation, url];
        let reply = self.call(CallKind::Durable, &scripts::SET_DISABLED, key, arguments);
        Ok(replies::flag(reply.await?)?)
    }

    async fn record_attempts(
        &self,
        key: &ConsumerKey,
        of: WebhookIncarnation,
        attempts: &[WebhookAttempt],
    ) -> Result<WebhookHealth, ConsumerError> {
        let first = [MAX_KEPT_ATTEMPTS.to_string(), of.0.to_string()].into_iter();
        let arguments = first.chain(attempts.iter().flat_map(webhook_record::attempt_arguments));
        let reply = self.call(CallKind::Volatile, &scripts::RECORD, key, arguments);
        Ok(webhook_record::health(reply.await?)?)
    }

    async fn attempts(&self, key: &ConsumerKey) -> Result<Vec<WebhookAttempt>, ConsumerError> {
        let reply = self.call(CallKind::Volatile, &scripts::ATTEMPTS, key, []);
        Ok(webhook_record::attempts(reply.await?)?)
    }

    async fn requeue(
        &self,
        key: &ConsumerKey,
        request: RequeueRequest,
    ) -> Result<Requeued, ConsumerError> {
        let arguments = [
            padded_id(request.from),
            padded_id(request.to),
            request.limit.get().to_string(),
        ];
        let reply = self.call(CallKind::Durable, &scripts::REQUEUE, key, arguments);
        Ok(webhook_record::requeued(reply.await?, request.limit)?)
    }

    async fn watch_webhooks(&self) -> Result<Box<dyn Subscription>, StoreError> {
        self.bounded(self.webhooks.start()).await?;
        Ok(Box::new(self.webhook_notifier.subscribe()))
    }
}
