//! The keys that sign tokens.

use garde::Validate;
use posthorn_domain::Environment;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::secret;
use crate::section::{ComputedDefault, KnownValues, Section};

/// The keys that sign tokens.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct SecretSection {
    /// The key that signs tokens. Production refuses to start without it.
    #[schemars(with = "String", extend(
        "writeOnly" = true, "x-takes" = KEY, "x-default" = "random at each start outside production"
    ))]
    #[garde(custom(required_in_production))]
    secret_key: Option<SecretString>,
    /// The key before the last rotation; it still verifies.
    #[schemars(with = "String", extend("writeOnly" = true, "x-takes" = KEY))]
    #[garde(custom(safe_in_production))]
    secret_key_previous: Option<SecretString>,
    /// Stands in for a key that is not set.
    #[serde(skip, default = "random_key")]
    random: SecretString,
}

const KEY: &str = "at least 32 bytes, not a published sample value";

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
        self.secret_key.is_none()
    }
}

impl Section for SecretSection {
    const TITLE: &'static str = "Signing keys";

    fn computed_defaults(_: &KnownValues<'_>) -> Vec<ComputedDefault> {
        vec![ComputedDefault::note("secret_key", "(random)")]
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
