//! A cache in front of another `RevocationList`, so that few requests reach the back end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mini_moka::sync::Cache as Moka;
use posthorn_application::{BackendError, Clock, RevocationList};
use posthorn_domain::{Timestamp, TokenId};

/// How long a result is cached: well within the delay that the port allows.
const TTL: Duration = Duration::from_secs(1);
/// The most cached results.
const MAX_RESULTS: u64 = 10_000;

/// Caches the results of another list for one second. A revocation through this list is visible
/// here at once.
pub struct CachedRevocationList {
    inner: Arc<dyn RevocationList>,
    clock: Arc<dyn Clock>,
    results: Moka<TokenId, CachedResult>,
}

#[derive(Clone, Copy)]
struct CachedResult {
    is_revoked: bool,
    /// On the scale of [`Clock::monotonic`].
    expires: Duration,
}

impl CachedRevocationList {
    /// Caches the results of `inner`.
    pub fn new(inner: Arc<dyn RevocationList>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            results: Moka::new(MAX_RESULTS),
        }
    }
}

#[async_trait]
impl RevocationList for CachedRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        self.inner.revoke(id, until).await?;
        self.results.invalidate(id);
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        let now = self.clock.monotonic();
        if let Some(cached) = self.results.get(id).filter(|cached| now < cached.expires) {
            return Ok(cached.is_revoked);
        }
        let is_revoked = self.inner.is_revoked(id).await?;
        let expires = now.saturating_add(TTL);
        let cached = CachedResult {
            is_revoked,
            expires,
        };
        self.results.insert(id.clone(), cached);
        Ok(is_revoked)
    }
}
