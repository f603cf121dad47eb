//! The shared Redis.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use garde::Validate;
use posthorn_domain::Environment;
use posthorn_http::settings::{DurationText, parsed_option};
use posthorn_redis::{RedisAccess, RedisSettings, RedisSettingsError};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::section::{ComputedDefault, KnownValues, Section};

/// The shared Redis.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct RedisSection {
    /// The Redis for cache and quotas. Without it they live in the process's memory.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "String", extend(
        "writeOnly" = true, "format" = "uri",
        "x-takes" = "`redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://` and an address"
    ))]
    pub redis_url: Option<RedisUrl>,
    /// The user of Redis, for a `REDIS_URL` or `STORE_URL` without credentials.
    #[schemars(with = "String", extend("minLength" = 1))]
    pub redis_username: Option<String>,
    /// The password of Redis, for a `REDIS_URL` or `STORE_URL` without credentials. Any text, as it is.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub redis_password: Option<SecretString>,
    /// The user of the Redis of `STORE_URL`, if it is another one.
    #[schemars(with = "String", extend("minLength" = 1))]
    pub store_redis_username: Option<String>,
    /// The password of the Redis of `STORE_URL`, if it is another one.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub store_redis_password: Option<SecretString>,
    /// A file with the authorities to trust for `rediss://`, in PEM. Without it those of the system, or of
    /// `SSL_CERT_FILE`.
    #[schemars(with = "String", extend("x-takes" = "a path"))]
    pub redis_ca_file: Option<PathBuf>,
    /// A file with the client's certificate for `rediss://`, in PEM.
    #[schemars(with = "String", extend("x-takes" = "a path"))]
    pub redis_cert_file: Option<PathBuf>,
    /// A file with the private key of `REDIS_CERT_FILE`, in PEM.
    #[schemars(with = "String", extend("x-takes" = "a path"))]
    pub redis_key_file: Option<PathBuf>,
    /// How long the start waits for an unreachable Redis that is required. It does not wait for what time
    /// does not cure, such as a wrong password.
    #[serde(with = "DurationText")]
    #[schemars(extend("x-default" = "`5m` in production, else `5s`"))]
    pub redis_start_timeout: Duration,
    /// Whether an unreachable Redis stops the start.
    #[schemars(extend(
        "x-default" = "`true` in production when `REDIS_URL` is set, else `false`"
    ))]
    #[garde(custom(with_url(self.redis_url.as_ref())))]
    pub redis_required: bool,
}

/// The URL of a Redis, with its password.
#[derive(Clone, Debug)]
pub struct RedisUrl(pub SecretString);

impl RedisSection {
    /// The Redis of `REDIS_URL`; `None` if it is not set.
    pub fn settings(&self) -> Option<RedisSettings> {
        let RedisUrl(url) = self.redis_url.as_ref()?;
        Some(RedisSettings {
            access: self.access(),
            ..RedisSettings::new(url.clone())
        })
    }

    /// What opens the Redis of `REDIS_URL` beside the URL.
    fn access(&self) -> RedisAccess {
        RedisAccess {
            username: self.redis_username.clone(),
            password: self.redis_password.clone(),
            ca_file: self.redis_ca_file.clone(),
            cert_file: self.redis_cert_file.clone(),
            key_file: self.redis_key_file.clone(),
        }
    }

    /// What opens the Redis of `STORE_URL` beside the URL.
    pub fn store_access(&self) -> RedisAccess {
        let access = self.access();
        if self.store_redis_username.is_none() && self.store_redis_password.is_none() {
            return access;
        }
        RedisAccess {
            username: self.store_redis_username.clone(),
            password: self.store_redis_password.clone(),
            ..access
        }
    }
}

impl Section for RedisSection {
    const TITLE: &'static str = "Redis";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let is_set = known.text("redis_url").is_some();
        let is_production = known.environment.is_production();
        let patience = if is_production { "5m" } else { "5s" };
        vec![
            ComputedDefault::value("redis_required", is_set && is_production),
            ComputedDefault::value("redis_start_timeout", patience),
        ]
    }
}

impl FromStr for RedisUrl {
    type Err = RedisSettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = SecretString::from(text.trim());
        RedisSettings::new(url.clone()).validate()?;
        Ok(Self(url))
    }
}

fn with_url(url: Option<&RedisUrl>) -> impl FnOnce(&bool, &Environment) -> garde::Result {
    let is_set = url.is_some();
    move |required, _| {
        if *required && !is_set {
            return Err(garde::Error::new("it is `true`, and REDIS_URL is not set"));
        }
        Ok(())
    }
}
