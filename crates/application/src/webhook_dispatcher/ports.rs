//! The ports that deliveries need.

use std::sync::Arc;

use crate::ports::clock::Clock;
use crate::ports::consumer_store::ConsumerStore;
use crate::ports::random::RandomSource;
use crate::ports::webhook_encoder::WebhookEncoder;
use crate::ports::webhook_observer::WebhookObserver;
use crate::ports::webhook_sender::WebhookSender;
use crate::ports::webhook_store::WebhookStore;
use crate::ports::webhook_vault::WebhookVault;

/// The ports of a [`crate::WebhookDispatcher`].
pub struct WebhookDispatcherPorts {
    /// Hands out the messages and settles them.
    pub consumers: Arc<dyn ConsumerStore>,
    /// Holds the webhooks; the same store as `consumers`.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Sends the requests.
    pub sender: Arc<dyn WebhookSender>,
    /// Decrypts the secrets.
    pub vault: Arc<dyn WebhookVault>,
    /// Writes the bodies.
    pub encoder: Arc<dyn WebhookEncoder>,
    /// Counts the attempts.
    pub observer: Arc<dyn WebhookObserver>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Draws the nonces of the leases.
    pub random: Arc<dyn RandomSource>,
}
