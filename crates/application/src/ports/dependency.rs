//! The port for dependencies whose health is checked.

use async_trait::async_trait;

/// A dependency of this process, such as a store or a server.
///
/// # Contract
/// `check` MUST end within a bound that the adapter's configuration names, MUST NOT change
/// anything that a user can see, and MUST be safe to drop at any await.
#[async_trait]
pub trait Dependency: Send + Sync {
    /// Checks once that the dependency works.
    async fn check(&self) -> Result<(), DependencyError>;
}

/// Why a dependency does not work. The text is for logs; it contains no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DependencyError(pub String);

/// Observes dependencies that become unavailable or available; metrics implement it.
///
/// # Contract
/// MUST NOT block and MUST NOT call back into the caller.
pub trait DependencyObserver: Send + Sync {
    /// The dependency called `name` is now up, or down.
    fn dependency_changed(&self, name: &'static str, up: bool);
}
