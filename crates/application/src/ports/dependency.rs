//! A thing outside the process whose presence is watched, as a port.

use async_trait::async_trait;

/// Can be asked whether it is there.
///
/// # Contract
/// `check` MUST end within a bound that the adapter's configuration names, MUST NOT change
/// anything that a user can see, and MUST be safe to drop at any await.
#[async_trait]
pub trait Dependency: Send + Sync {
    /// Asks once.
    async fn check(&self) -> Result<(), DependencyError>;
}

/// The dependency did not answer, or not as it should. The text is for logs; it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DependencyError(pub String);

/// Hears of a dependency that went away or came back; metrics hang on it.
///
/// # Contract
/// MUST NOT block and MUST NOT call back into the caller.
pub trait DependencyObserver: Send + Sync {
    /// The dependency called `name` is now up, or down.
    fn dependency_changed(&self, name: &'static str, up: bool);
}
