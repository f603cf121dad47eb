//! A dependency that works or fails as the test requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use posthorn_application::{Dependency, DependencyError};

/// A `Dependency` with the outcome that the test sets; success at first.
#[derive(Debug, Default)]
pub struct FakeDependency {
    failure: Mutex<Option<DependencyError>>,
    checks: AtomicUsize,
}

impl FakeDependency {
    /// Lets every check succeed from now on.
    pub fn go_up(&self) {
        self.set(None);
    }

    /// Lets every check fail with `text` from now on.
    pub fn go_down(&self, text: &str) {
        self.set(Some(DependencyError(text.to_owned())));
    }

    /// The number of checks so far.
    pub fn checks(&self) -> usize {
        self.checks.load(Ordering::SeqCst)
    }

    fn set(&self, failure: Option<DependencyError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

#[async_trait]
impl Dependency for FakeDependency {
    async fn check(&self) -> Result<(), DependencyError> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        failure.map_or(Ok(()), Err)
    }
}
