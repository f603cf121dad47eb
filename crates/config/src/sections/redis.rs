//! The shared Redis.

use std::str::FromStr;

use garde::Validate;
use posthorn_domain::Environment;
use posthorn_http::settings::parsed_option;
use posthorn_redis::{RedisSettings, RedisSettingsError};
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

impl Section for RedisSection {
    const TITLE: &'static str = "Redis";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let is_set = known.text("redis_url").is_some();
        vec![ComputedDefault::value(
            "redis_required",
            is_set && known.environment.is_production(),
        )]
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
