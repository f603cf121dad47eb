//! The error of the back ends that hold no messages: caches, quota counters, revocation lists.

/// Why a call to a back end failed. The texts are for logs; they contain no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The back end is unreachable, slow or restarting: the same call may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The back end rejected this call and would reject it again.
    #[error("failed: {0}")]
    Failed(String),
}

impl BackendError {
    /// True if the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
