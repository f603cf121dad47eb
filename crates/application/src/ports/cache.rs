//! A cache of small values, as a port.

use std::time::Duration;

use async_trait::async_trait;

use super::backend_error::BackendError;

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
/// [`BackendError::Unavailable`] and everything that would fail again as [`BackendError::Failed`].
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value under `key`, if one is held.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError>;

    /// Holds `value` under `key` for `ttl`.
    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BackendError>;

    /// Drops the value under `key`; says whether there was one.
    async fn delete(&self, key: &str) -> Result<bool, BackendError>;

    /// Drops every value of this application.
    async fn clear(&self) -> Result<(), BackendError>;
}
