//! The port for revoked tokens.

use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{Timestamp, TokenId};

use super::backend_error::BackendError;

/// The longest time until every other process sees a revocation.
pub const MAX_REVOCATION_DELAY: Duration = Duration::from_secs(5);

/// Stores the ids of revoked tokens until the tokens expire.
///
/// # Contract
/// - From the return of `revoke` until `until` has passed, `is_revoked` MUST be true for that id: in
///   every process that shares the back end within [`MAX_REVOCATION_DELAY`] of that return, and after
///   a restart where the back end outlives the process.
/// - Revoking an id again keeps the later of the two ends. An end that has passed revokes nothing.
/// - After `until` the id is forgotten: `is_revoked` MUST be false.
/// - An id that was not revoked is not revoked. An id MUST NOT be dropped early to free memory: a
///   full list returns an error.
/// - Every operation MUST end within a bound that the adapter's configuration names, and MUST be
///   safe to drop at any await.
///
/// # Errors
/// Every operation MUST report an unreachable, slow or restarting back end as
/// [`BackendError::Unavailable`] and a permanent error as [`BackendError::Failed`].
#[async_trait]
pub trait RevocationList: Send + Sync {
    /// Revokes the token with this id until `until`.
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError>;

    /// True if the token with this id is revoked now.
    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError>;
}
