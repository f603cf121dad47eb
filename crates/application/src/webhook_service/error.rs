//! Why an operation on a webhook failed.

use posthorn_domain::ForbiddenAddress;

use crate::ports::consumer_store::ConsumerError;
use crate::ports::webhook_vault::VaultError;

/// Why an operation on a webhook failed. The texts hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The operation on the consumer that the webhook is.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The URL has an address that is forbidden; nothing changed.
    #[error("the URL has {0}, which is forbidden unless WEBHOOK_ALLOW_CIDRS names it")]
    ForbiddenAddress(#[from] ForbiddenAddress),
    /// The key that encrypts the secrets would be lost at a restart; nothing changed.
    #[error("webhooks need a lasting key for their secrets: set SECRET_KEY")]
    NoLastingKey,
    /// The secrets cannot be encrypted or decrypted. A change with a new `secret` replaces them.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
