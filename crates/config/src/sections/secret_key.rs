//! The keys that sign tokens and encrypt the secrets of webhooks.

mod development;

use std::path::{Path, PathBuf};

use garde::Validate;
use posthorn_domain::Environment;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::store::StoreUrl;
use crate::secret;
use crate::section::{ComputedDefault, KnownValues, Section};

pub use development::DevelopmentKeyError;

/// The keys that sign tokens and encrypt the secrets of webhooks.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct SecretSection {
    /// The key that signs tokens and encrypts the secrets of webhooks. Production refuses to start
    /// without it. Elsewhere, with a `file:` store, the first start makes a key and keeps it beside
    /// the store in a file that only its owner can read.
    #[schemars(with = "String", extend(
        "writeOnly" = true, "x-takes" = KEY,
        "x-default" = "outside production: kept in the path of the store with `.key` appended; \
                       random at each start with another store"
    ))]
    #[garde(custom(required_in_production))]
    secret_key: Option<SecretString>,
    /// The key before the last rotation; it still verifies tokens and decrypts.
    #[schemars(with = "String", extend("writeOnly" = true, "x-takes" = KEY))]
    #[garde(custom(safe_in_production))]
    secret_key_previous: Option<SecretString>,
    /// Stands in for a key that is not set.
    #[serde(skip, default = "random_key")]
    random: SecretString,
    /// The file of the development key, whose content replaced `random`.
    #[serde(skip)]
    development_key: Option<PathBuf>,
}

const KEY: &str = "in production at least 32 bytes, not a published sample value";

impl SecretSection {
    /// The key that signs tokens.
    pub fn key(&self) -> &SecretString {
        self.secret_key.as_ref().unwrap_or(&self.random)
    }

    /// The key before the last rotation.
    pub fn previous_key(&self) -> Option<&SecretString> {
        self.secret_key_previous.as_ref()
    }

    /// True if the key was made at this start, and so ends with the process.
    pub fn key_is_random(&self) -> bool {
        self.secret_key.is_none() && self.development_key.is_none()
    }

    /// The file of the development key, if that is the key.
    pub fn development_key(&self) -> Option<&Path> {
        self.development_key.as_deref()
    }

    /// The path of the development key, if that would be the key and users other than its owner can read it.
    pub(crate) fn shared_development_key(&self, store: &StoreUrl) -> Option<PathBuf> {
        let StoreUrl::File(store) = store else {
            return None;
        };
        let path = development::path(store);
        let is_shared = self.secret_key.is_none()
            && matches!(
                development::read(&path),
                Err(DevelopmentKeyError::Shared(_))
            );
        is_shared.then_some(path)
    }

    /// Uses the development key of a file store if no key is set. Does nothing with another store, or
    /// if the file does not exist.
    ///
    /// # Errors
    /// The path of a file that exists and cannot be used, and why.
    pub fn read_development_key(
        &mut self,
        store: &StoreUrl,
    ) -> Result<(), (PathBuf, DevelopmentKeyError)> {
        let StoreUrl::File(store) = store else {
            return Ok(());
        };
        if self.secret_key.is_some() {
            return Ok(());
        }
        let path = development::path(store);
        match development::read(&path) {
            Ok(Some(key)) => {
                self.random = key;
                self.development_key = Some(path);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err((path, error)),
        }
    }

    /// As [`SecretSection::read_development_key`], and makes the file if it does not exist. A file
    /// that cannot be written is logged and is no error: the key then ends with this process.
    ///
    /// # Errors
    /// The path of a file that exists and cannot be used, and why.
    pub fn keep_development_key(
        &mut self,
        store: &StoreUrl,
    ) -> Result<(), (PathBuf, DevelopmentKeyError)> {
        self.read_development_key(store)?;
        if let StoreUrl::File(path) = store
            && self.key_is_random()
        {
            let created = development::create(&development::path(path), &self.random);
            // Read again: another process may have been faster.
            self.read_development_key(store)?;
            if let Err(error) = created {
                tracing::warn!(%error, "the development key could not be written beside the store");
            }
        }
        Ok(())
    }
}

impl Section for SecretSection {
    const TITLE: &'static str = "Keys";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let store = known.text("store_url").and_then(|text| text.parse().ok());
        let note = match store {
            Some(StoreUrl::File(store)) => {
                format!("(kept in {})", development::path(&store).display())
            }
            _ => "(random)".to_owned(),
        };
        vec![ComputedDefault::note("secret_key", note)]
    }
}

fn required_in_production(key: &Option<SecretString>, environment: &Environment) -> garde::Result {
    if key.is_none() && environment.is_production() {
        return Err(garde::Error::new("production needs it, and it is not set"));
    }
    safe_in_production(key, environment)
}

fn safe_in_production(key: &Option<SecretString>, environment: &Environment) -> garde::Result {
    match key {
        Some(key) if environment.is_production() => {
            secret::check_key(key.expose_secret()).map_err(garde::Error::new)
        }
        _ => Ok(()),
    }
}

/// 256 random bits from a cryptographically secure generator, in hexadecimal.
fn random_key() -> SecretString {
    let bytes: [u8; 32] = rand::random();
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    SecretString::from(digits.concat())
}
