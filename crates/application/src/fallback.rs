//! A port with a stand-in: the primary while it is there, the stand-in while it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::QuotaRule;

use crate::{
    Breaker, BreakerState, Cache, CacheError, QuotaCounter, QuotaDecision, QuotaError, QuotaKey,
};

/// Answers from `primary` while the breaker is closed, from `stand_in` while it is open or when a
/// call to the primary failed for a transient reason. Errors that are not transient pass through:
/// the primary refused, and hiding that would hide a mistake.
pub struct Fallback<P: ?Sized> {
    primary: Arc<P>,
    stand_in: Arc<P>,
    breaker: Arc<Breaker>,
    /// How often the primary refused for good.
    refusals: AtomicU64,
}

impl<P: ?Sized> Fallback<P> {
    /// A port over `primary` with `stand_in` behind `breaker`.
    pub fn new(primary: Arc<P>, stand_in: Arc<P>, breaker: Arc<Breaker>) -> Self {
        Self {
            primary,
            stand_in,
            breaker,
            refusals: AtomicU64::new(0),
        }
    }

    /// Logs that the primary refused; of many times only some, so that they do not fill the log.
    fn refused(&self, error: &dyn std::fmt::Display) {
        let refusals = self
            .refusals
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if refusals.is_power_of_two() {
            tracing::warn!(
                dependency = self.breaker.name(),
                %error,
                refusals,
                "dependency refused a call, falling back"
            );
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

/// A request has to be decided in any case, so the stand-in also answers what the primary refuses
/// for good. Only a transient failure counts for the breaker: one client's key that is not a counter
/// must not have all count alone, and what refuses every call the probe finds.
#[async_trait]
impl QuotaCounter for Fallback<dyn QuotaCounter> {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, QuotaError> {
        let decided = self.run(QuotaError::is_transient, |counter| counter.hit(key, rule));
        match decided.await {
            Err(error) => {
                self.refused(&error);
                self.stand_in.hit(key, rule).await
            }
            decided => decided,
        }
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, QuotaError> {
        let seen = self.run(QuotaError::is_transient, |counter| counter.peek(key, rule));
        match seen.await {
            Err(error) => {
                self.refused(&error);
                self.stand_in.peek(key, rule).await
            }
            seen => seen,
        }
    }
}
