//! The encryption of what webhooks keep private.

mod form;

use posthorn_application::{OpenedPrivate, VaultError, WebhookVault};
use posthorn_domain::{ConsumerKey, WebhookPrivate};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The first byte of a sealed record.
const VERSION: u8 = 1;
/// The salt and the purpose of the derived keys (RFC 5869, 3.1 and 3.2): the key that signs tokens
/// is never used itself.
const HKDF_SALT: &[u8] = b"posthorn";
const HKDF_INFO: &[u8] = b"webhook secrets, AES-256-GCM, version 1";

/// Encrypts with AES-256-GCM (NIST SP 800-38D) under keys that HKDF (RFC 5869) derives from the
/// secret keys of the process.
///
/// A sealed record is the version, a random nonce of 96 bits, and the ciphertext with its tag. The
/// webhook's topic and name are authenticated with it. A record is sealed at each change of its
/// webhook only, so that random nonces of one key do not repeat in practice.
pub struct AeadVault {
    current: LessSafeKey,
    previous: Option<LessSafeKey>,
    is_lasting: bool,
    random: SystemRandom,
}

impl AeadVault {
    /// A vault under `current`, which also opens the records of `previous`. `is_lasting` is true if
    /// the process will have the key again after a restart.
    ///
    /// # Errors
    /// [`VaultError::Random`] if no key can be derived, which does not happen.
    pub fn new(
        current: &SecretString,
        previous: Option<&SecretString>,
        is_lasting: bool,
    ) -> Result<Self, VaultError> {
        Ok(Self {
            current: derive(current)?,
            previous: previous.map(derive).transpose()?,
            is_lasting,
            random: SystemRandom::new(),
        })
    }
}

impl WebhookVault for AeadVault {
    fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    fn seal(&self, key: &ConsumerKey, private: &WebhookPrivate) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_LEN];
        let drawn = self.random.fill(&mut nonce);
        drawn.map_err(|_| VaultError::Random)?;
        let mut plain = form::encode(private)?;
        let aad = Aad::from(identity(key));
        // Encrypts in place: the buffer holds ciphertext afterwards.
        let tag = self
            .current
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut plain)
            .map_err(|_| VaultError::Sealed)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + tag.as_ref().len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn open(&self, key: &ConsumerKey, sealed: &[u8]) -> Result<OpenedPrivate, VaultError> {
        let aad = identity(key);
        if let Some(plain) = decrypt(&self.current, &aad, sealed) {
            let private = form::decode(&plain)?;
            let is_stale = false;
            return Ok(OpenedPrivate { private, is_stale });
        }
        let previous = self.previous.as_ref().ok_or(VaultError::Sealed)?;
        let plain = decrypt(previous, &aad, sealed).ok_or(VaultError::Sealed)?;
        Ok(OpenedPrivate {
            private: form::decode(&plain)?,
            is_stale: true,
        })
    }
}

fn derive(secret: &SecretString) -> Result<LessSafeKey, VaultError> {
    let extracted = Salt::new(HKDF_SHA256, HKDF_SALT).extract(secret.expose_secret().as_bytes());
    let expanded = extracted.expand(&[HKDF_INFO], &AES_256_GCM);
    let key = expanded.map(UnboundKey::from);
    key.map(LessSafeKey::new).map_err(|_| VaultError::Random)
}

/// What a record is bound to. Neither part contains a slash.
fn identity(key: &ConsumerKey) -> Vec<u8> {
    format!("{}/{}", key.topic, key.name).into_bytes()
}

/// The plaintext; `None` if `key` did not seal the record, or not for this identity.
fn decrypt(key: &LessSafeKey, identity: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    if *version != VERSION {
        return None;
    }
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(identity), &mut buffer)
        .ok()?
        .len();
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
mod tests;
