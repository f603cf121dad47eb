//! A store without webhooks, and ports that are never used: every call finds nothing.

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{
    ConsumerError, OpenedPrivate, PutWebhook, RequeueRequest, Requeued, StoreError, Subscription,
    VaultError, WebhookEndpoint, WebhookEvent, WebhookIncarnation, WebhookPut, WebhookReply,
    WebhookSendError, WebhookSender, WebhookStatus, WebhookStore, WebhookTarget, WebhookVault,
};
use posthorn_domain::{
    ConsumerKey, DisableReason, Topic, WebhookAttempt, WebhookHealth, WebhookPrivate,
    WebhookSettings,
};

pub(crate) struct NoWebhooks;
pub(crate) struct NoVault;
pub(crate) struct NoSender;

#[async_trait]
impl WebhookStore for NoWebhooks {
    async fn put_webhook(
        &self,
        _: &ConsumerKey,
        _: PutWebhook,
    ) -> Result<WebhookPut, ConsumerError> {
        Err(ConsumerError::LimitReached)
    }

    async fn webhook(&self, _: &ConsumerKey) -> Result<WebhookStatus, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn webhooks(&self, _: &Topic) -> Result<Vec<WebhookStatus>, StoreError> {
        Ok(Vec::new())
    }

    async fn set_disabled(
        &self,
        _: &ConsumerKey,
        _: Option<DisableReason>,
        _: Option<&WebhookTarget>,
    ) -> Result<bool, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn record_attempts(
        &self,
        _: &ConsumerKey,
        _: WebhookIncarnation,
        _: &[WebhookAttempt],
    ) -> Result<WebhookHealth, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn attempts(&self, _: &ConsumerKey) -> Result<Vec<WebhookAttempt>, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn requeue(&self, _: &ConsumerKey, _: RequeueRequest) -> Result<Requeued, ConsumerError> {
        Err(ConsumerError::NotFound)
    }

    async fn watch_webhooks(&self) -> Result<Box<dyn Subscription>, StoreError> {
        Err(StoreError::Unavailable("as the test wants".to_owned()))
    }
}

impl WebhookVault for NoVault {
    fn is_lasting(&self) -> bool {
        false
    }

    fn seal(&self, _: &ConsumerKey, _: &WebhookPrivate) -> Result<Vec<u8>, VaultError> {
        Err(VaultError::Random)
    }

    fn open(&self, _: &ConsumerKey, _: &[u8]) -> Result<OpenedPrivate, VaultError> {
        Err(VaultError::Sealed)
    }
}

impl WebhookSender for NoSender {
    fn endpoint(&self, _: &WebhookSettings, _: &WebhookPrivate) -> Arc<dyn WebhookEndpoint> {
        Arc::new(Self)
    }
}

#[async_trait]
impl WebhookEndpoint for NoSender {
    async fn send(&self, _: WebhookEvent) -> Result<WebhookReply, WebhookSendError> {
        Err(WebhookSendError::Unresolved)
    }
}
