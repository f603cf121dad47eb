//! A port with a stand-in: the primary while it is there, the stand-in while it is away.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Breaker, BreakerState, Cache, CacheError};

/// Answers from `primary` while the breaker is closed, from `stand_in` while it is open or when a
/// call to the primary failed for a transient reason. Errors that are not transient pass through:
/// the primary refused, and hiding that would hide a mistake.
pub struct Fallback<P: ?Sized> {
    primary: Arc<P>,
    stand_in: Arc<P>,
    breaker: Arc<Breaker>,
}

impl<P: ?Sized> Fallback<P> {
    /// A port over `primary` with `stand_in` behind `breaker`.
    pub fn new(primary: Arc<P>, stand_in: Arc<P>, breaker: Arc<Breaker>) -> Self {
        Self {
            primary,
            stand_in,
            breaker,
        }
    }

    /// Runs `call` on the primary, and on the stand-in where the primary is not there.
    async fn run<'a, T, E, F>(
        &'a self,
        is_transient: fn(&E) -> bool,
        call: impl Fn(&'a P) -> F,
    ) -> Result<T, E>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        if self.breaker.state() == BreakerState::Open {
            return call(&self.stand_in).await;
        }
        match call(&self.primary).await {
            Err(error) if is_transient(&error) => {
                self.breaker.failed(&error);
                call(&self.stand_in).await
            }
            outcome => {
                self.breaker.succeeded();
                outcome
            }
        }
    }
}

#[async_trait]
impl Cache for Fallback<dyn Cache> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        self.run(CacheError::is_transient, |cache| cache.get(key))
            .await
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        self.run(CacheError::is_transient, |cache| cache.set(key, value, ttl))
            .await
    }

    /// Deletes from both, so that an outage does not bring back a value deleted before it.
    async fn delete(&self, key: &str) -> Result<bool, CacheError> {
        let stood_in = self.stand_in.delete(key).await?;
        self.run(CacheError::is_transient, |cache| cache.delete(key))
            .await
            .map(|was| was || stood_in)
    }

    /// Clears both, for the same reason.
    async fn clear(&self) -> Result<(), CacheError> {
        self.stand_in.clear().await?;
        self.run(CacheError::is_transient, Cache::clear).await
    }
}
