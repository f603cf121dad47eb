//! Counts the decisions of a quota counter.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use posthorn_application::{BackendError, QuotaClass, QuotaCounter, QuotaDecision, QuotaKey};
use posthorn_domain::QuotaRule;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tracing::{Instrument, Span, field};

use crate::Metrics;
use crate::metrics::QuotaLabels;

/// A decorator of a [`QuotaCounter`]: it records `app_rate_limit_decisions_total` and a span for each call. A peek is not
/// a decision.
pub struct InstrumentedQuotaCounter {
    inner: Arc<dyn QuotaCounter>,
    decisions: Family<QuotaLabels, Counter>,
    backend: &'static str,
    message: Outcomes,
    read: Outcomes,
    consume: Outcomes,
    delete: Outcomes,
    default: Outcomes,
}

/// The counters of one class. Each appears in the exposition once it has counted.
#[derive(Debug, Default)]
struct Outcomes {
    allowed: OnceLock<Counter>,
    denied: OnceLock<Counter>,
    unavailable: OnceLock<Counter>,
    failed: OnceLock<Counter>,
}

impl InstrumentedQuotaCounter {
    /// Counts the decisions of `inner` with the label `backend`.
    pub fn new(inner: Arc<dyn QuotaCounter>, backend: &'static str, metrics: &Metrics) -> Self {
        Self {
            inner,
            decisions: metrics.quota_decisions().clone(),
            backend,
            message: Outcomes::default(),
            read: Outcomes::default(),
            consume: Outcomes::default(),
            delete: Outcomes::default(),
            default: Outcomes::default(),
        }
    }

    /// The span of one call.
    fn span(&self, operation: &'static str) -> Span {
        tracing::debug_span!(
            "quota",
            operation,
            backend = self.backend,
            outcome = field::Empty
        )
    }

    fn count(&self, class: QuotaClass, result: &Result<QuotaDecision, BackendError>, span: &Span) {
        let outcomes = match class {
            QuotaClass::Message => &self.message,
            QuotaClass::Read => &self.read,
            QuotaClass::Consume => &self.consume,
            QuotaClass::Delete => &self.delete,
            QuotaClass::Default => &self.default,
        };
        let (counter, outcome) = match result {
            Ok(QuotaDecision { allowed: true, .. }) => (&outcomes.allowed, "allowed"),
            Ok(_) => (&outcomes.denied, "denied"),
            Err(BackendError::Unavailable(_)) => (&outcomes.unavailable, "unavailable"),
            Err(BackendError::Failed(_)) => (&outcomes.failed, "failed"),
        };
        span.record("outcome", outcome);
        let create = || {
            self.decisions.get_or_create_owned(&QuotaLabels {
                limit: class.as_str(),
                outcome,
                backend: self.backend,
            })
        };
        counter.get_or_init(create).inc();
    }
}

#[async_trait]
impl QuotaCounter for InstrumentedQuotaCounter {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        let span = self.span("hit");
        let call = self.inner.hit(key, rule);
        let result = call.instrument(span.clone()).await;
        self.count(key.scope.class, &result, &span);
        result
    }

    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        let span = self.span("hit");
        let call = self.inner.hit_many(key, rule, count);
        let result = call.instrument(span.clone()).await;
        self.count(key.scope.class, &result, &span);
        result
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        let call = self.inner.peek(key, rule);
        call.instrument(self.span("peek")).await
    }
}

impl fmt::Debug for InstrumentedQuotaCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedQuotaCounter")
            .finish_non_exhaustive()
    }
}
