//! The `Cache` port on Redis strings.

mod sweep;

use std::marker::PhantomData;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Cache};
use posthorn_domain::Timestamp;

use crate::deployment::pool::RedisPool;
use crate::keys;

/// A value as the bytes of a Redis string.
pub trait CacheValue: Send + Sync + Sized + 'static {
    /// The bytes of the value.
    fn to_bytes(&self) -> Vec<u8>;

    /// The value of the bytes; `None` if no value has them.
    fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
}

/// Stores each value in a string of its own, which Redis expires.
///
/// `get`, `set` and `delete` are limited by the checkout time-out plus the command time-out, `clear`
/// by [`RedisCache::CLEAR_BOUND`].
pub struct RedisCache<V> {
    pool: RedisPool,
    value: PhantomData<fn() -> V>,
}

impl<V: CacheValue> RedisCache<V> {
    /// The time limit of `clear`.
    pub const CLEAR_BOUND: Duration = Duration::from_secs(10);

    /// A cache under the prefix of `pool`.
    pub fn new(pool: RedisPool) -> Self {
        Self {
            pool,
            value: PhantomData,
        }
    }
}

#[async_trait]
impl<V: CacheValue> Cache<V> for RedisCache<V> {
    async fn get(&self, key: &str) -> Result<Option<V>, BackendError> {
        let key = keys::cache(self.pool.prefix(), key);
        let bytes: Option<Vec<u8>> = self.pool.query(redis::cmd("GET").arg(key)).await?;
        let Some(bytes) = bytes else { return Ok(None) };
        let unreadable = || BackendError::Failed("a cached value cannot be read".to_owned());
        V::from_bytes(bytes).map(Some).ok_or_else(unreadable)
    }

    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError> {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(keys::MAX_TTL_MILLIS);
        if millis == 0 {
            // Redis rejects a TTL of zero. By the contract it removes the value.
            return self.delete(key).await.map(|_| ());
        }
        let key = keys::cache(self.pool.prefix(), key);
        let mut command = redis::cmd("SET");
        command
            .arg(key)
            .arg(value.to_bytes())
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

impl CacheValue for Vec<u8> {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Some(bytes)
    }
}

/// In decimal milliseconds since the Unix epoch.
impl CacheValue for Timestamp {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_millis().to_string().into_bytes()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let millis = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
        Some(Self::from_millis(millis))
    }
}
