//! A cache of small values, as a port.

use std::time::Duration;

use async_trait::async_trait;

/// Holds values for a limited time; losing them costs work, never correctness.
///
/// # Contract
/// - A value that was set is returned until its TTL has passed, it is deleted or cleared, or the
///   adapter evicts it to stay within its bounds. After its TTL it MUST NOT be returned.
/// - Setting a key again replaces its value and its TTL. A TTL of zero stores nothing and removes
///   what was there.
/// - `clear` removes every key of this application and MUST leave keys of others alone.
/// - Every operation MUST end within a bound that the adapter's configuration names.
/// - An operation MUST be safe to drop at any await.
///
/// # Errors
/// Every operation MUST report an unreachable, slow or restarting back end as
/// [`CacheError::Unavailable`] and everything that would fail again as [`CacheError::Failed`].
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value under `key`, if one is held.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError>;

    /// Holds `value` under `key` for `ttl`.
    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError>;

    /// Drops the value under `key`; says whether there was one.
    async fn delete(&self, key: &str) -> Result<bool, CacheError>;

    /// Drops every value of this application.
    async fn clear(&self) -> Result<(), CacheError>;
}

/// Why a cache operation failed. The texts are for logs; they hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The back end cannot be asked now: the same call may succeed later.
    #[error("the cache is unavailable: {0}")]
    Unavailable(String),
    /// The back end refuses this call and would refuse it again.
    #[error("the cache refused: {0}")]
    Failed(String),
}

impl CacheError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
