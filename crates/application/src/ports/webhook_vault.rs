//! The port that encrypts the secrets of webhooks.

use posthorn_domain::{ConsumerKey, WebhookPrivate};

/// Encrypts what a webhook keeps private, so that a store holds no secret in the clear.
///
/// # Contract
/// - What is sealed MUST be authenticated together with the webhook's identity: a record that was
///   changed, or moved to another webhook, MUST NOT open.
/// - After a rotation of the key, records of the previous key MUST still open.
pub trait WebhookVault: Send + Sync {
    /// True if the key survives a restart of the process. Otherwise no webhook may be stored.
    fn is_lasting(&self) -> bool;

    /// Encrypts `private` for the webhook `key`, under the current key.
    fn seal(&self, key: &ConsumerKey, private: &WebhookPrivate) -> Result<Vec<u8>, VaultError>;

    /// Decrypts a record of the webhook `key`.
    fn open(&self, key: &ConsumerKey, sealed: &[u8]) -> Result<OpenedPrivate, VaultError>;
}

/// A decrypted record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedPrivate {
    /// Its contents.
    pub private: WebhookPrivate,
    /// True if it was encrypted under the previous key: encrypt it again.
    pub is_stale: bool,
}

/// Why a record was not encrypted or decrypted. The texts hold no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Neither the current nor the previous key opens the record, or it was changed.
    #[error(
        "the secrets of the webhook cannot be decrypted with SECRET_KEY or SECRET_KEY_PREVIOUS"
    )]
    Sealed,
    /// The record was decrypted, but it is not of this version.
    #[error("the secrets of the webhook have an unknown form")]
    Form,
    /// The system gave no randomness.
    #[error("the system has no randomness")]
    Random,
}
