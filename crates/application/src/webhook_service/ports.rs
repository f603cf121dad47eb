//! The ports that the use cases of webhooks need.

use std::sync::Arc;

use crate::ports::clock::Clock;
use crate::ports::consumer_store::ConsumerStore;
use crate::ports::random::RandomSource;
use crate::ports::webhook_encoder::WebhookEncoder;
use crate::ports::webhook_sender::WebhookSender;
use crate::ports::webhook_store::WebhookStore;
use crate::ports::webhook_vault::WebhookVault;

/// The ports of a [`crate::WebhookService`].
pub struct WebhookServicePorts {
    /// Holds the messages and counts of the webhooks; the same store as `webhooks`.
    pub consumers: Arc<dyn ConsumerStore>,
    /// Holds the webhooks.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Encrypts the secrets.
    pub vault: Arc<dyn WebhookVault>,
    /// Sends test requests.
    pub sender: Arc<dyn WebhookSender>,
    /// Writes the bodies of test requests.
    pub encoder: Arc<dyn WebhookEncoder>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Draws secrets and salts.
    pub random: Arc<dyn RandomSource>,
}
