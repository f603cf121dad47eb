//! The ports of this crate as dependencies to check.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::Timestamp;

use crate::breaker::{Breaker, BreakerState};
use crate::ports::cache::Cache;
use crate::ports::dependency::{Dependency, DependencyError};
use crate::ports::message_store::MessageStore;

/// The key that the check of a cache writes and reads.
const PROBE_KEY: &str = "health-probe";
const PROBE_TTL: Duration = Duration::from_secs(10);
/// The same in every process: several may share the cache.
const PROBE_VALUE: Timestamp = Timestamp::from_millis(0);

/// A message store as a dependency.
pub struct StoreDependency(pub Arc<dyn MessageStore>);

/// A cache as a dependency: the check writes a value and reads it.
pub struct CacheDependency(pub Arc<dyn Cache<Timestamp>>);

#[async_trait]
impl Dependency for StoreDependency {
    async fn check(&self) -> Result<(), DependencyError> {
        let health = self.0.health().await;
        health.map_err(|error| DependencyError(error.to_string()))
    }
}

#[async_trait]
impl Dependency for CacheDependency {
    async fn check(&self) -> Result<(), DependencyError> {
        let probe = async {
            self.0.set(PROBE_KEY, &PROBE_VALUE, PROBE_TTL).await?;
            self.0.get(PROBE_KEY).await
        };
        let error = match probe.await {
            Ok(Some(PROBE_VALUE)) => return Ok(()),
            Ok(_) => "the cache did not return the value that was set".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "the cache check failed");
        Err(DependencyError(error))
    }
}

/// The state of the breaker stands for its dependency: a check never waits for a dead server.
#[async_trait]
impl Dependency for Breaker {
    async fn check(&self) -> Result<(), DependencyError> {
        match self.state() {
            BreakerState::Closed => Ok(()),
            BreakerState::Open => Err(DependencyError("the breaker is open".to_owned())),
        }
    }
}
