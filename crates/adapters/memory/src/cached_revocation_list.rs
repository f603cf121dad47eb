//! A `RevocationList` whose answers are remembered for a moment, so that not every request asks the back
//! end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mini_moka::sync::Cache as Moka;
use posthorn_application::{Clock, RevocationList, RevocationListError};
use posthorn_domain::{Timestamp, TokenId};

/// How long an answer is good for: well within the delay that the port allows.
const FRESH: Duration = Duration::from_secs(1);
/// The most answers that are remembered.
const MAX_ANSWERS: u64 = 10_000;

/// Remembers the answers of another list for one second, the most used ones first when there are
/// many. What is denied here is known here at once.
pub struct CachedRevocationList {
    inner: Arc<dyn RevocationList>,
    clock: Arc<dyn Clock>,
    answers: Moka<TokenId, Answer>,
}

#[derive(Clone, Copy)]
struct Answer {
    is_revoked: bool,
    /// On the scale of [`Clock::monotonic`].
    end: Duration,
}

impl CachedRevocationList {
    /// Remembers the answers of `inner`.
    pub fn new(inner: Arc<dyn RevocationList>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            answers: Moka::new(MAX_ANSWERS),
        }
    }
}

#[async_trait]
impl RevocationList for CachedRevocationList {
    async fn revoke(&self, id: &TokenId, until: Timestamp) -> Result<(), RevocationListError> {
        self.inner.revoke(id, until).await?;
        self.answers.invalidate(id);
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, RevocationListError> {
        let now = self.clock.monotonic();
        if let Some(answer) = self.answers.get(id).filter(|answer| now < answer.end) {
            return Ok(answer.is_revoked);
        }
        let is_revoked = self.inner.is_revoked(id).await?;
        let end = now.saturating_add(FRESH);
        self.answers.insert(id.clone(), Answer { is_revoked, end });
        Ok(is_revoked)
    }
}
