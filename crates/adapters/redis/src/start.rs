//! The start of the process. Redis may be starting at the same time, so the first calls are repeated.

use std::time::Duration;

use posthorn_application::{Clock, Dependency, DependencyError};
use posthorn_domain::Durability;

use crate::dependency::RedisDependency;
use crate::store::{RedisStore, RedisStoreError, RedisStoreSettings};

/// How long the start waits for Redis.
const DEADLINE: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl RedisDependency {
    /// Checks Redis: once, or again for 5 seconds if it is `required`.
    ///
    /// # Errors
    /// The last check failed.
    pub async fn check_at_start(
        &self,
        required: bool,
        clock: &dyn Clock,
    ) -> Result<(), DependencyError> {
        let deadline = clock.monotonic().saturating_add(DEADLINE);
        loop {
            match self.check().await {
                Err(error) if required && clock.monotonic() < deadline => {
                    tracing::warn!(%error, "waiting for Redis");
                    clock.sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }
}

impl RedisStore {
    /// Connects as [`RedisStore::connect`] does, and again for 5 seconds while Redis is unreachable.
    ///
    /// `durability` replaces that of the settings. If it is `None`, a Redis that does not sync every
    /// write, or evicts keys, is accepted with a warning: the receipts have the durability `memory`.
    ///
    /// # Errors
    /// Those of [`RedisStore::connect`].
    pub async fn connect_at_start(
        mut settings: RedisStoreSettings,
        durability: Option<Durability>,
        clock: &dyn Clock,
    ) -> Result<Self, RedisStoreError> {
        settings.durability = durability.unwrap_or(Durability::Synced);
        let deadline = clock.monotonic().saturating_add(DEADLINE);
        loop {
            match Self::connect(settings.clone()).await {
                Err(RedisStoreError::NotSynced) if durability.is_none() => {
                    tracing::warn!(
                        "the Redis of STORE_URL does not sync every write: messages are acknowledged \
                         with the durability `memory`; set `appendonly yes` and `appendfsync always` \
                         there to keep them through a crash"
                    );
                    settings.durability = Durability::Memory;
                }
                // `connect` logs the warning when it accepts this Redis.
                Err(RedisStoreError::Evicts(_)) if durability.is_none() => {
                    settings.durability = Durability::Memory;
                }
                Err(RedisStoreError::Unreachable(reason)) if clock.monotonic() < deadline => {
                    tracing::warn!(%reason, "waiting for the Redis of STORE_URL");
                    clock.sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }
}
