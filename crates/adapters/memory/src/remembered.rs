//! A `DenyList` whose answers are remembered for a moment, so that not every request asks the back
//! end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mini_moka::sync::Cache as Moka;
use posthorn_application::{Clock, DenyList, DenyListError};
use posthorn_domain::{Timestamp, TokenId};

/// How long an answer is good for: well within the delay that the port allows.
const FRESH: Duration = Duration::from_secs(1);
/// The most answers that are remembered.
const MAX_ANSWERS: u64 = 10_000;

/// Remembers the answers of another list for one second, the most used ones first when there are
/// many. What is denied here is known here at once.
pub struct RememberedDenyList {
    inner: Arc<dyn DenyList>,
    clock: Arc<dyn Clock>,
    answers: Moka<TokenId, Answer>,
}

#[derive(Clone, Copy)]
struct Answer {
    is_denied: bool,
    /// On the scale of [`Clock::monotonic`].
    end: Duration,
}

impl RememberedDenyList {
    /// Remembers the answers of `inner`.
    pub fn new(inner: Arc<dyn DenyList>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            answers: Moka::new(MAX_ANSWERS),
        }
    }
}

#[async_trait]
impl DenyList for RememberedDenyList {
    async fn deny(&self, id: &TokenId, until: Timestamp) -> Result<(), DenyListError> {
        self.inner.deny(id, until).await?;
        self.answers.invalidate(id);
        Ok(())
    }

    async fn is_denied(&self, id: &TokenId) -> Result<bool, DenyListError> {
        let now = self.clock.monotonic();
        if let Some(answer) = self.answers.get(id).filter(|answer| now < answer.end) {
            return Ok(answer.is_denied);
        }
        let is_denied = self.inner.is_denied(id).await?;
        let end = now.saturating_add(FRESH);
        self.answers.insert(id.clone(), Answer { is_denied, end });
        Ok(is_denied)
    }
}
