//! Tokens that were revoked, as a port.

use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{Timestamp, TokenId};

/// How long another process may go on not knowing of a denial.
pub const MAX_DENIAL_DELAY: Duration = Duration::from_secs(5);

/// Remembers the ids of revoked tokens until they would have ended by themselves.
///
/// # Contract
/// - From the return of `deny` until `until` has passed, `is_denied` MUST be true for that id in
///   every process that shares the back end, each within [`MAX_DENIAL_DELAY`] of that return, and
///   after a restart where the back end outlives the process.
/// - Denying an id again keeps the later of the two ends. An end that has passed denies nothing.
/// - After `until` the id is forgotten: `is_denied` MUST be false.
/// - An id that was not denied is not denied, and MUST NOT be forgotten early to make room: a list
///   that is full refuses.
/// - Every operation MUST end within a bound that the adapter's configuration names, and MUST be
///   safe to drop at any await.
///
/// # Errors
/// Every operation MUST report an unreachable, slow or restarting back end as
/// [`DenyListError::Unavailable`] and everything that would fail again as [`DenyListError::Failed`].
#[async_trait]
pub trait DenyList: Send + Sync {
    /// Denies the token called `id` until `until`.
    async fn deny(&self, id: &TokenId, until: Timestamp) -> Result<(), DenyListError>;

    /// Whether the token called `id` is denied now.
    async fn is_denied(&self, id: &TokenId) -> Result<bool, DenyListError>;
}

/// Why the list did not answer. The texts are for logs; they hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenyListError {
    /// The back end cannot be asked now: the same call may succeed later.
    #[error("the deny list is unavailable: {0}")]
    Unavailable(String),
    /// The back end refuses this call and would refuse it again.
    #[error("the deny list refused: {0}")]
    Failed(String),
}

impl DenyListError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
