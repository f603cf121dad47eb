//! The port for caches.

use std::time::Duration;

use async_trait::async_trait;

use super::backend_error::BackendError;

/// Stores values of type `V` for a limited time. Losing them costs work, never correctness. How a
/// value becomes bytes, if it does, is the adapter's concern.
///
/// # Contract
/// - A stored value is returned until its TTL has passed, it is deleted or cleared, or the adapter
///   evicts it to stay within its bounds. After its TTL it MUST NOT be returned.
/// - Setting a key again replaces its value and its TTL. A TTL of zero stores nothing and removes
///   the old value.
/// - `clear` removes every key of this application and MUST NOT remove keys of others.
/// - Every operation MUST end within a bound that the adapter's configuration names.
/// - An operation MUST be safe to drop at any await.
///
/// # Errors
/// Every operation MUST report an unreachable, slow or restarting back end as
/// [`BackendError::Unavailable`], and a permanent error or an unreadable value as
/// [`BackendError::Failed`].
#[async_trait]
pub trait Cache<V>: Send + Sync {
    /// The value under `key`, if there is one.
    async fn get(&self, key: &str) -> Result<Option<V>, BackendError>;

    /// Stores `value` under `key` for `ttl`.
    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError>;

    /// Removes the value under `key`; returns true if there was one.
    async fn delete(&self, key: &str) -> Result<bool, BackendError>;

    /// Removes every value of this application.
    async fn clear(&self) -> Result<(), BackendError>;
}
