//! What the process says of itself.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ports::cache::Cache;
use crate::ports::clock::Clock;

/// How long an answer is served from the cache.
const TTL: Duration = Duration::from_mins(5);

/// Who this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppIdentity {
    /// The application's name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// `development`, `testing` or `production`.
    pub environment: Arc<str>,
    /// The host's or the pod's name.
    pub pod: Arc<str>,
}

/// Who this process is, and when that was asked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoSnapshot {
    /// Who this process is.
    pub identity: AppIdentity,
    /// When the answer was made; it stands still while the answer is cached.
    pub timestamp: Timestamp,
}

/// Answers `info`, through the cache.
pub struct InfoService {
    identity: AppIdentity,
    cache: Arc<dyn Cache>,
    clock: Arc<dyn Clock>,
    key: String,
}

/// The cached form.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CachedInfo {
    timestamp_ms: u64,
}

impl InfoService {
    /// Answers for `identity`. The cache key holds all of it, so that processes which share a
    /// cache never show each other's answer.
    pub fn new(identity: AppIdentity, cache: Arc<dyn Cache>, clock: Arc<dyn Clock>) -> Self {
        let AppIdentity {
            name,
            version,
            environment,
            pod,
        } = &identity;
        // The length in front of each part keeps ("a", "bc") apart from ("ab", "c").
        let parts = [name, version, environment, pod].map(|part| format!("{}:{part}", part.len()));
        let key = format!("info:{}", parts.join(":"));
        Self {
            identity,
            cache,
            clock,
            key,
        }
    }

    /// Who this process is.
    pub fn identity(&self) -> &AppIdentity {
        &self.identity
    }

    /// The answer, from the cache for 300 s. It never fails: without a cache it is made anew.
    pub async fn info(&self) -> InfoSnapshot {
        let timestamp = match self.cached().await {
            Some(timestamp) => timestamp,
            None => self.make().await,
        };
        InfoSnapshot {
            identity: self.identity.clone(),
            timestamp,
        }
    }

    async fn cached(&self) -> Option<Timestamp> {
        let bytes = match self.cache.get(&self.key).await {
            Ok(bytes) => bytes?,
            Err(error) => {
                warn_unless_transient("get", &error);
                return None;
            }
        };
        match serde_json::from_slice::<CachedInfo>(&bytes) {
            Ok(cached) => Some(Timestamp::from_millis(cached.timestamp_ms)),
            Err(error) => {
                tracing::warn!(key = self.key, %error, "a cached value cannot be read, making it anew");
                None
            }
        }
    }

    async fn make(&self) -> Timestamp {
        let timestamp = self.clock.now();
        let cached = CachedInfo {
            timestamp_ms: timestamp.as_millis(),
        };
        match serde_json::to_vec(&cached) {
            Ok(bytes) => {
                if let Err(error) = self.cache.set(&self.key, &bytes, TTL).await {
                    warn_unless_transient("set", &error);
                }
            }
            Err(error) => tracing::error!(%error, "info cannot be written for the cache"),
        }
        timestamp
    }
}

/// A cache that is away is reported once, by its breaker; everything else is a mistake to show.
fn warn_unless_transient(operation: &'static str, error: &crate::BackendError) {
    if !error.is_transient() {
        tracing::warn!(operation, %error, "the cache failed");
    }
}
