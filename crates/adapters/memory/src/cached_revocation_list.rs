//! A cache in front of another `RevocationList`, so that few requests reach the back end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// Counts revocations through this list. A result counts only as long as there is no new one, also a result
    /// that was read before a revocation and is cached after it.
    revocations: AtomicU64,
}

#[derive(Clone, Copy)]
struct CachedResult {
    is_revoked: bool,
    /// The count of revocations before it was read.
    revocations: u64,
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
            revocations: AtomicU64::new(0),
        }
    }
}

#[async_trait]
impl RevocationList for CachedRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), BackendError> {
        self.inner.revoke(id, until).await?;
        self.revocations.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, BackendError> {
        let now = self.clock.monotonic();
        let revocations = self.revocations.load(Ordering::SeqCst);
        let holds =
            |cached: &CachedResult| now < cached.expires && cached.revocations == revocations;
        if let Some(cached) = self.results.get(id).filter(holds) {
            return Ok(cached.is_revoked);
        }
        let is_revoked = self.inner.is_revoked(id).await?;
        let expires = now.saturating_add(TTL);
        let cached = CachedResult {
            is_revoked,
            revocations,
            expires,
        };
        self.results.insert(id.clone(), cached);
        Ok(is_revoked)
    }
}
