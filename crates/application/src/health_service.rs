//! Whether the process and what it depends on are well.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::Timestamp;

use crate::breaker::{Breaker, BreakerState};
use crate::lifecycle::{Lifecycle, Phase};
use crate::ports::backend_error::BackendError;
use crate::ports::cache::Cache;
use crate::ports::clock::Clock;
use crate::ports::message_store::MessageStore;

/// The key that the cache check writes and reads back.
const PROBE_KEY: &str = "health-probe";
/// How long the value of the cache check lives.
const PROBE_TTL: Duration = Duration::from_secs(10);

/// How one part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It works.
    Ok,
    /// It is not part of this configuration.
    NotConfigured,
    /// It does not work.
    Error,
}

/// How the whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStatus {
    /// Everything configured works.
    Healthy,
    /// Something does not work, and messages are accepted all the same.
    Degraded,
    /// Messages cannot be accepted.
    Unhealthy,
}

/// How each part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Redis, as shared cache and counter.
    pub redis: CheckOutcome,
    /// The cache as requests see it, fallback included.
    pub cache: CheckOutcome,
    /// The message store.
    pub store: CheckOutcome,
}

/// The outcome of a look at everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// How the whole is.
    pub status: HealthStatus,
    /// When the look was taken.
    pub timestamp: Timestamp,
    /// How each part is.
    pub checks: HealthChecks,
}

/// Looks at what the process depends on.
pub struct HealthService {
    store: Arc<dyn MessageStore>,
    cache: Arc<dyn Cache>,
    redis: Option<Arc<Breaker>>,
    lifecycle: Arc<Lifecycle>,
    clock: Arc<dyn Clock>,
}

impl HealthService {
    /// Looks at `store`, `cache` and, when Redis is configured, its breaker: the breaker is
    /// watched off the path of requests, so a health check never waits for a dead Redis.
    pub fn new(
        store: Arc<dyn MessageStore>,
        cache: Arc<dyn Cache>,
        redis: Option<Arc<Breaker>>,
        lifecycle: Arc<Lifecycle>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            cache,
            redis,
            lifecycle,
            clock,
        }
    }

    /// Looks at everything once.
    pub async fn report(&self) -> HealthReport {
        let checks = HealthChecks {
            redis: self.check_redis(),
            cache: self.check_cache().await,
            store: self.check_store().await,
        };
        let error = CheckOutcome::Error;
        let status = if checks.store == error {
            HealthStatus::Unhealthy
        } else if checks.redis == error || checks.cache == error {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        };
        HealthReport {
            status,
            timestamp: self.clock.now(),
            checks,
        }
    }

    /// Whether traffic should come here: started, not draining, and able to store.
    pub async fn is_ready(&self) -> bool {
        self.lifecycle.phase() == Phase::Ready && self.check_store().await == CheckOutcome::Ok
    }

    /// Whether the start is over.
    pub fn is_started(&self) -> bool {
        self.lifecycle.phase() != Phase::Starting
    }

    fn check_redis(&self) -> CheckOutcome {
        match self.redis.as_deref().map(Breaker::state) {
            None => CheckOutcome::NotConfigured,
            Some(BreakerState::Closed) => CheckOutcome::Ok,
            Some(BreakerState::Open) => CheckOutcome::Error,
        }
    }

    async fn check_cache(&self) -> CheckOutcome {
        match self.probe_cache().await {
            Ok(true) => CheckOutcome::Ok,
            Ok(false) => {
                tracing::warn!("the cache did not give back what it was given");
                CheckOutcome::Error
            }
            Err(error) => {
                tracing::warn!(%error, "the cache check failed");
                CheckOutcome::Error
            }
        }
    }

    /// Writes a value and reads it back.
    async fn probe_cache(&self) -> Result<bool, BackendError> {
        self.cache.set(PROBE_KEY, b"ok", PROBE_TTL).await?;
        Ok(self.cache.get(PROBE_KEY).await?.as_deref() == Some(b"ok"))
    }

    async fn check_store(&self) -> CheckOutcome {
        match self.store.health().await {
            Ok(()) => CheckOutcome::Ok,
            Err(error) => {
                tracing::debug!(%error, "the store check failed");
                CheckOutcome::Error
            }
        }
    }
}
