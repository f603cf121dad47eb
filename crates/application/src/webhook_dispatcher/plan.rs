//! A webhook as its worker uses it.

use std::sync::Arc;

use posthorn_domain::{ConsumerKey, LeaseDuration, WebhookSettings};

use super::ports::WebhookDispatcherPorts;
use crate::ports::webhook_sender::WebhookEndpoint;
use crate::ports::webhook_store::WebhookRecord;
use crate::ports::webhook_vault::VaultError;

/// A webhook with its secrets decrypted and its endpoint prepared.
pub(super) struct DeliveryPlan {
    pub(super) settings: WebhookSettings,
    pub(super) endpoint: Arc<dyn WebhookEndpoint>,
    /// The URL or path of the topic.
    pub(super) source: Arc<str>,
    /// The length of the leases.
    pub(super) lease: LeaseDuration,
}

impl DeliveryPlan {
    /// # Errors
    /// The secrets of `record` cannot be decrypted.
    pub(super) fn prepare(
        ports: &WebhookDispatcherPorts,
        key: &ConsumerKey,
        record: &WebhookRecord,
    ) -> Result<Arc<Self>, VaultError> {
        let opened = ports.vault.open(key, &record.sealed)?;
        let settings = record.settings.clone();
        Ok(Arc::new(Self {
            endpoint: ports.sender.endpoint(&settings, &opened.private),
            source: ports.encoder.source(&key.topic).into(),
            lease: settings.consumer_settings().lease,
            settings,
        }))
    }
}
