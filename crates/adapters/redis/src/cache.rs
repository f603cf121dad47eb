//! The `Cache` port on Redis strings.

mod sweep;

use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Cache};

use crate::deployment::pool::RedisPool;
use crate::keys;

/// Stores each value in a string of its own, which Redis expires.
///
/// `get`, `set` and `delete` are limited by the checkout time-out plus the command time-out, `clear`
/// by [`RedisCache::CLEAR_BOUND`].
pub struct RedisCache {
    pool: RedisPool,
}

impl RedisCache {
    /// The time limit of `clear`.
    pub const CLEAR_BOUND: Duration = Duration::from_secs(10);

    /// A cache under the prefix of `pool`.
    pub fn new(pool: RedisPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        let key = keys::cache(self.pool.prefix(), key);
        Ok(self.pool.query(redis::cmd("GET").arg(key)).await?)
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BackendError> {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(keys::MAX_TTL_MILLIS);
        if millis == 0 {
            // Redis rejects a TTL of zero. By the contract it removes the value.
            return self.delete(key).await.map(|_| ());
        }
        let key = keys::cache(self.pool.prefix(), key);
        let mut command = redis::cmd("SET");
        command
            .arg(key)
            .arg(value)
            .arg("PX")
            .arg(millis.min(keys::MAX_TTL_MILLIS));
        Ok(self.pool.query(&command).await?)
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let key = keys::cache(self.pool.prefix(), key);
        Ok(self.pool.query(redis::cmd("UNLINK").arg(key)).await?)
    }

    async fn clear(&self) -> Result<(), BackendError> {
        tokio::time::timeout(Self::CLEAR_BOUND, sweep::sweep(&self.pool))
            .await
            .map_err(|_| BackendError::Unavailable("clearing the cache timed out".to_owned()))?
            .map_err(BackendError::from)
    }
}
