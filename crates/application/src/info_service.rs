//! The description of this instance.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::Timestamp;

use crate::ports::backend_error::BackendError;
use crate::ports::cache::Cache;
use crate::ports::clock::Clock;

/// How long a snapshot is cached.
const TTL: Duration = Duration::from_mins(5);

/// The identity of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppIdentity {
    /// The application's name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// `development`, `testing` or `production`.
    pub environment: Arc<str>,
    /// The name of this instance, such as the host's.
    pub instance: Arc<str>,
}

/// The identity of this process at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoSnapshot {
    /// The identity.
    pub identity: AppIdentity,
    /// The time of the snapshot; it stays the same while the snapshot is cached.
    pub timestamp: Timestamp,
}

/// Returns snapshots, through the cache.
pub struct InfoService {
    identity: AppIdentity,
    cache: Arc<dyn Cache<Timestamp>>,
    clock: Arc<dyn Clock>,
    key: String,
}

impl InfoService {
    /// Describes `identity`. The cache key contains all of it, so that processes with a common cache
    /// never return each other's snapshot.
    pub fn new(
        identity: AppIdentity,
        cache: Arc<dyn Cache<Timestamp>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let AppIdentity {
            name,
            version,
            environment,
            instance,
        } = &identity;
        // The length before each part keeps ("a", "bc") apart from ("ab", "c").
        let parts =
            [name, version, environment, instance].map(|part| format!("{}:{part}", part.len()));
        let key = format!("info:{}", parts.join(":"));
        Self {
            identity,
            cache,
            clock,
            key,
        }
    }

    /// The identity of this process.
    pub fn identity(&self) -> &AppIdentity {
        &self.identity
    }

    /// The snapshot, cached for 300 s. It never fails: without a cache it is made anew.
    pub async fn info(&self) -> InfoSnapshot {
        let cached = self.cache.get(&self.key).await;
        let timestamp = match cached.unwrap_or_else(|error| self.warn("get", &error)) {
            Some(timestamp) => timestamp,
            None => self.renew().await,
        };
        InfoSnapshot {
            identity: self.identity.clone(),
            timestamp,
        }
    }

    async fn renew(&self) -> Timestamp {
        let timestamp = self.clock.now();
        if let Err(error) = self.cache.set(&self.key, &timestamp, TTL).await {
            self.warn("set", &error);
        }
        timestamp
    }

    /// Logs a permanent error; the breaker reports an unavailable cache once.
    fn warn(&self, operation: &'static str, error: &BackendError) -> Option<Timestamp> {
        if !error.is_transient() {
            tracing::warn!(operation, key = self.key, %error, "the cache failed");
        }
        None
    }
}
