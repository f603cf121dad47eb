//! A port with a fallback: the primary while it is available, else the secondary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::QuotaRule;

use crate::breaker::{Breaker, BreakerState};
use crate::ports::backend_error::BackendError;
use crate::ports::cache::Cache;
use crate::ports::quota_counter::{QuotaCounter, QuotaDecision, QuotaKey};

/// Calls `primary` while the breaker is closed, and `secondary` while it is open or after a
/// transient error of the primary. A permanent error of the primary is returned: to hide it would
/// hide a mistake.
pub struct Fallback<P: ?Sized> {
    primary: Arc<P>,
    secondary: Arc<P>,
    breaker: Arc<Breaker>,
    /// How many calls the primary rejected for good.
    permanent_errors: AtomicU64,
}

impl<P: ?Sized> Fallback<P> {
    /// A port over `primary` and `secondary`, switched by `breaker`.
    pub fn new(primary: Arc<P>, secondary: Arc<P>, breaker: Arc<Breaker>) -> Self {
        Self {
            primary,
            secondary,
            breaker,
            permanent_errors: AtomicU64::new(0),
        }
    }

    /// Logs a permanent error of the primary: only the 1st, 2nd, 4th, 8th and so on, so that they
    /// do not flood the log.
    fn log_permanent_error(&self, error: &BackendError) {
        let permanent_errors = self
            .permanent_errors
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if permanent_errors.is_power_of_two() {
            tracing::warn!(
                dependency = self.breaker.name(),
                %error,
                refusals = permanent_errors,
                "dependency refused a call, falling back"
            );
        }
    }

    /// Runs `call` on the primary, or on the secondary if the primary is unavailable.
    async fn run<'a, T, F>(&'a self, call: impl Fn(&'a P) -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        if self.breaker.state() == BreakerState::Open {
            return call(&self.secondary).await;
        }
        match call(&self.primary).await {
            Err(error) if error.is_transient() => {
                self.breaker.failed(&error);
                call(&self.secondary).await
            }
            outcome => {
                self.breaker.succeeded();
                outcome
            }
        }
    }
}

#[async_trait]
impl<V: Send + Sync> Cache<V> for Fallback<dyn Cache<V>> {
    async fn get(&self, key: &str) -> Result<Option<V>, BackendError> {
        self.run(|cache| cache.get(key)).await
    }

    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError> {
        self.run(|cache| cache.set(key, value, ttl)).await
    }

    /// Deletes from both: a value that was deleted before an outage must not return during it.
    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let was_in_secondary = self.secondary.delete(key).await?;
        let was_in_primary = self.run(|cache| cache.delete(key)).await?;
        Ok(was_in_primary || was_in_secondary)
    }

    /// Clears both, for the same reason.
    async fn clear(&self) -> Result<(), BackendError> {
        self.secondary.clear().await?;
        self.run(Cache::clear).await
    }
}

/// Every request needs a decision, so the secondary also decides after a permanent error of the
/// primary. Only a transient error counts for the breaker: one broken key of one client must not
/// make this process count alone for all clients, and the probe finds a back end that rejects every
/// call.
#[async_trait]
impl QuotaCounter for Fallback<dyn QuotaCounter> {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        let decided = self.run(|counter| counter.hit(key, rule));
        match decided.await {
            Err(error) => {
                self.log_permanent_error(&error);
                self.secondary.hit(key, rule).await
            }
            decided => decided,
        }
    }

    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        let decided = self.run(|counter| counter.hit_many(key, rule, count));
        match decided.await {
            Err(error) => {
                self.log_permanent_error(&error);
                self.secondary.hit_many(key, rule, count).await
            }
            decided => decided,
        }
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        let seen = self.run(|counter| counter.peek(key, rule));
        match seen.await {
            Err(error) => {
                self.log_permanent_error(&error);
                self.secondary.peek(key, rule).await
            }
            seen => seen,
        }
    }
}
