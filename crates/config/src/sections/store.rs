//! The store of messages.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use garde::Validate;
use posthorn_application::RetentionPolicy;
use posthorn_domain::{Durability, Environment};
use posthorn_http::settings::{PositiveDurationText, parsed, parsed_option};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::redis::RedisUrl;
use crate::section::{ComputedDefault, KnownValues, Section};

/// The store of messages.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
#[garde(context(Environment))]
pub struct StoreSection {
    /// The store of messages. `memory:` keeps them until the process ends.
    #[serde(deserialize_with = "parsed")]
    #[schemars(with = "String", extend(
        "default" = "file:data/posthorn.db", "writeOnly" = true, "format" = "uri",
        "x-takes" = "`file:PATH`, `memory:`, or a Redis URL as in `REDIS_URL`"
    ))]
    pub store_url: StoreUrl,
    /// The durability that a message reaches before it is acknowledged. A store that cannot reach it
    /// stops the start.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "String", extend(
        "enum" = ["memory", "synced", "replicated"],
        "x-default" = "`synced` for `file:`; what the server can reach, up to `synced`, for Redis; \
                       `memory` for `memory:`"
    ))]
    #[garde(custom(reached_by(&self.store_url)))]
    pub store_durability: Option<Durability>,
    /// The least number of replicas of Redis that acknowledge each write with `replicated`. Every replica
    /// that a Sentinel could promote acknowledges in any case.
    #[schemars(extend("default" = 1))]
    #[garde(range(min = 1))]
    pub store_min_replicas: u16,
    /// The age at which messages are pruned.
    #[serde(with = "PositiveDurationText")]
    #[schemars(extend("default" = "7d"))]
    pub retention_age: Duration,
    /// The most messages of a topic; of more the oldest are pruned.
    #[schemars(extend("default" = 100_000))]
    #[garde(range(min = 1))]
    pub retention_count: u64,
    /// The time for which an `Idempotency-Key` is remembered.
    #[serde(with = "PositiveDurationText")]
    #[schemars(extend("default" = "24h"))]
    pub idempotency_ttl: Duration,
}

/// The place of the messages.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// One file of this machine.
    File(PathBuf),
    /// The memory of the process.
    Memory,
    /// A shared Redis.
    Redis(SecretString),
}

impl StoreSection {
    /// The messages that pruning keeps.
    pub const fn retention(&self) -> RetentionPolicy {
        RetentionPolicy {
            max_age: self.retention_age,
            max_count: self.retention_count,
        }
    }
}

impl Section for StoreSection {
    const TITLE: &'static str = "Store";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let url = known.text("store_url").and_then(|text| text.parse().ok());
        let note = match url {
            Some(StoreUrl::Memory) => "memory",
            Some(StoreUrl::Redis(_)) => "what the server can reach, up to synced",
            Some(StoreUrl::File(_)) | None => "synced",
        };
        vec![ComputedDefault::note("store_durability", note)]
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("file", "")) => Err("`file:` names no path".to_owned()),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            _ => match text.parse() {
                Ok(RedisUrl(url)) => Ok(Self::Redis(url)),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// Refuses a durability that the store can never reach.
fn reached_by(url: &StoreUrl) -> impl FnOnce(&Option<Durability>, &Environment) -> garde::Result {
    let reachable = match url {
        StoreUrl::Memory => Durability::Memory,
        StoreUrl::File(_) => Durability::Synced,
        StoreUrl::Redis(_) => Durability::Replicated,
    };
    move |durability, _| match durability {
        Some(wanted) if *wanted > reachable => Err(garde::Error::new(format!(
            "the store of STORE_URL reaches `{reachable}` at most"
        ))),
        _ => Ok(()),
    }
}
