//! The store of messages.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use garde::Validate;
use posthorn_application::RetentionPolicy;
use posthorn_domain::{Durability, Environment};
use posthorn_http::settings::{PositiveDurationText, parsed, parsed_option};
use posthorn_redis::RedisSettings;
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
    /// The durability that a message reaches before it is acknowledged. A store that is not set up for it stops the
    /// start; while it does not reach it, as without its replicas, messages get 503.
    #[serde(default, deserialize_with = "parsed_option")]
    #[schemars(with = "String", extend(
        "enum" = ["memory", "synced", "replicated"],
        "x-default" = "`synced` for `file:`; what Redis reaches at each write, up to `synced`, with nothing required; \
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
    /// The most topics. A topic counts that has a message, a consumer or a webhook. Once there are as many, the first
    /// of these in a new topic is rejected with 409 `limit-reached`. In Redis a topic counts until a day after its last
    /// message.
    #[schemars(extend("default" = 10_000))]
    #[garde(range(min = 1))]
    pub max_topics: u64,
    /// The most bytes of the store. With `file:` it is the size of the file, without `-wal` and `.reserve` beside it, and messages are rejected with 503
    /// `store-unavailable` until retention has removed others. With `memory:` it is an estimate for the messages, of
    /// which the oldest are removed for new ones; in proportion to it there may be 104857 idempotency keys, of which the
    /// oldest are forgotten, 209715 leases and redeliveries, and 32 MiB of dead letters by default. Redis has `maxmemory` instead.
    #[schemars(with = "u64", range(min = 1_048_576), extend(
        "x-default" = "unlimited for `file:`; 67108864 (64 MiB) for `memory:`"
    ))]
    #[garde(custom(capped_by(&self.store_url)))]
    pub max_store_bytes: Option<u64>,
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
    /// The most bytes of the store, if messages are rejected beyond it: `memory:` removes the oldest instead, and Redis
    /// has its own limit.
    pub fn rejecting_bytes(&self) -> Option<u64> {
        let rejects = matches!(self.store_url, StoreUrl::File(_));
        self.max_store_bytes.filter(|_| rejects)
    }

    /// The messages that pruning keeps.
    pub const fn retention(&self) -> RetentionPolicy {
        RetentionPolicy {
            max_age: self.retention_age,
            max_count: self.retention_count,
        }
    }
}

impl StoreUrl {
    /// The URL of the store's Redis, if it has one.
    pub fn redis(&self) -> Option<&SecretString> {
        match self {
            Self::Redis(url) => Some(url),
            Self::Memory | Self::File(_) => None,
        }
    }

    /// The store for people: the path, or the URL without its password.
    pub fn masked(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory => "memory:".to_owned(),
            Self::Redis(url) => RedisSettings::new(url.clone()).masked_url(),
        }
    }
}

impl Section for StoreSection {
    const TITLE: &'static str = "Store";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let url_kind = known.text("store_url").and_then(|text| text.parse().ok());
        let note = match url_kind {
            Some(StoreUrl::Memory) => "memory",
            Some(StoreUrl::Redis(_)) => "what Redis reaches at each write, up to synced",
            Some(StoreUrl::File(_)) | None => "synced",
        };
        let bytes = match url_kind {
            Some(StoreUrl::Memory) => "67108864",
            Some(StoreUrl::Redis(_)) => "what Redis allows",
            Some(StoreUrl::File(_)) | None => "unlimited",
        };
        vec![
            ComputedDefault::note("store_durability", note),
            ComputedDefault::note("max_store_bytes", bytes),
        ]
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("memory", _)) => Err("nothing may follow `memory:`".to_owned()),
            Some(("file", "")) => Err("`file:` names no path".to_owned()),
            Some(("file", path)) => file(path),
            Some((scheme, _)) if scheme.starts_with("redis") => match text.parse() {
                Ok(RedisUrl(url)) => Ok(Self::Redis(url)),
                Err(error) => Err(error.to_string()),
            },
            _ => Err("the value names no store".to_owned()),
        }
    }
}

/// The path of `file:PATH`. A host, and a `~` that only a shell replaces, would name another file than was meant.
fn file(path: &str) -> Result<StoreUrl, String> {
    if path.starts_with("//") && !path.starts_with("///") {
        return Err(
            "`file:` takes a path without a host, such as `file:/var/lib/posthorn.db`".to_owned(),
        );
    }
    if path == "~" || path.starts_with("~/") {
        return Err("`~` is not replaced: write out the home directory".to_owned());
    }
    Ok(StoreUrl::File(PathBuf::from(path)))
}

/// Refuses a cap that is too small, or that the store does not have.
fn capped_by(url: &StoreUrl) -> impl FnOnce(&Option<u64>, &Environment) -> garde::Result {
    let is_redis = matches!(url, StoreUrl::Redis(_));
    move |bytes, _| match bytes {
        Some(_) if is_redis => Err(garde::Error::new(
            "Redis limits its bytes itself: set its `maxmemory`",
        )),
        Some(bytes) if *bytes < 1 << 20 => Err(garde::Error::new("at least 1048576 (1 MiB)")),
        _ => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_store_is_not_taken_for_a_redis() {
        for (url, expected) in [
            ("sqlite:a.db", "the value names no store"),
            ("a.db", "the value names no store"),
            ("memory:a", "nothing may follow `memory:`"),
            ("redis:a", "the Redis URL must start with redis://"),
        ] {
            let error = url.parse::<StoreUrl>().unwrap_err();
            assert!(error.starts_with(expected), "{url}: {error}");
        }
    }

    #[test]
    fn a_file_is_named_by_its_path_alone() {
        for (url, path) in [
            ("file:data/a.db", "data/a.db"),
            ("file:/data/a.db", "/data/a.db"),
            ("file:///data/a.db", "///data/a.db"),
            ("file:a~/b.db", "a~/b.db"),
        ] {
            let parsed = url.parse();
            assert!(
                matches!(parsed, Ok(StoreUrl::File(found)) if found.to_str() == Some(path)),
                "{url}"
            );
        }
        for url in [
            "file:",
            "file://host/a.db",
            "file://data/a.db",
            "file:~/a.db",
            "file:~",
        ] {
            assert!(url.parse::<StoreUrl>().is_err(), "{url}");
        }
    }
}
