//! A quota counter that is one of several independent ones.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use posthorn_domain::QuotaRule;

use crate::ports::backend_error::BackendError;
use crate::ports::quota_counter::{QuotaCounter, QuotaDecision, QuotaKey};

/// Gives each of `replicas` processes an equal share of every limit, so that all of them together
/// stay within the limit although each counts alone.
pub struct ReplicaShare {
    inner: Arc<dyn QuotaCounter>,
    replicas: NonZeroU32,
}

impl ReplicaShare {
    /// One of `replicas` counters like `inner`.
    pub fn new(inner: Arc<dyn QuotaCounter>, replicas: NonZeroU32) -> Self {
        Self { inner, replicas }
    }
}

#[async_trait]
impl QuotaCounter for ReplicaShare {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        self.inner.hit(key, &rule.share(self.replicas)).await
    }

    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        let rule = rule.share(self.replicas);
        self.inner.hit_many(key, &rule, count).await
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        self.inner.peek(key, &rule.share(self.replicas)).await
    }
}
