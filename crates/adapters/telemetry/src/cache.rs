//! Counts the operations of a cache.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Cache};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tracing::{Instrument, Span, field};

use crate::Metrics;
use crate::metrics::CacheLabels;

/// A decorator of a [`Cache`]: it records `app_cache_requests_total` and a span for each operation.
pub struct InstrumentedCache<V> {
    inner: Arc<dyn Cache<V>>,
    get: CacheOperation,
    set: CacheOperation,
    delete: CacheOperation,
    clear: CacheOperation,
}

impl<V> InstrumentedCache<V> {
    /// Counts the operations of `inner` with the label `backend`.
    pub fn new(inner: Arc<dyn Cache<V>>, backend: &'static str, metrics: &Metrics) -> Self {
        let operation = |name| CacheOperation::new(backend, name, metrics);
        Self {
            inner,
            get: operation("get"),
            set: operation("set"),
            delete: operation("delete"),
            clear: operation("clear"),
        }
    }
}

#[async_trait]
impl<V: Send + Sync + 'static> Cache<V> for InstrumentedCache<V> {
    async fn get(&self, key: &str) -> Result<Option<V>, BackendError> {
        let span = self.get.span();
        let call = self.inner.get(key);
        let result = call.instrument(span.clone()).await;
        self.get.count(
            &span,
            outcome(&result, |value| match value {
                Some(_) => CacheOutcome::Hit,
                None => CacheOutcome::Miss,
            }),
        );
        result
    }

    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError> {
        let span = self.set.span();
        let call = self.inner.set(key, value, ttl);
        let result = call.instrument(span.clone()).await;
        self.set
            .count(&span, outcome(&result, |()| CacheOutcome::Ok));
        result
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let span = self.delete.span();
        let call = self.inner.delete(key);
        let result = call.instrument(span.clone()).await;
        self.delete
            .count(&span, outcome(&result, |_| CacheOutcome::Ok));
        result
    }

    async fn clear(&self) -> Result<(), BackendError> {
        let span = self.clear.span();
        let call = self.inner.clear();
        let result = call.instrument(span.clone()).await;
        self.clear
            .count(&span, outcome(&result, |()| CacheOutcome::Ok));
        result
    }
}

impl<V> fmt::Debug for InstrumentedCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedCache").finish_non_exhaustive()
    }
}

/// The outcome of an operation.
#[derive(Clone, Copy)]
enum CacheOutcome {
    Hit,
    Miss,
    Ok,
    Unavailable,
    Failed,
}

fn outcome<T>(
    result: &Result<T, BackendError>,
    of_value: impl Fn(&T) -> CacheOutcome,
) -> CacheOutcome {
    match result {
        Ok(value) => of_value(value),
        Err(BackendError::Unavailable(_)) => CacheOutcome::Unavailable,
        Err(BackendError::Failed(_)) => CacheOutcome::Failed,
    }
}

/// The counters of one operation. Each appears in the exposition once it has counted.
struct CacheOperation {
    requests: Family<CacheLabels, Counter>,
    backend: &'static str,
    name: &'static str,
    hit: OnceLock<Counter>,
    miss: OnceLock<Counter>,
    ok: OnceLock<Counter>,
    unavailable: OnceLock<Counter>,
    failed: OnceLock<Counter>,
}

impl CacheOperation {
    fn new(backend: &'static str, name: &'static str, metrics: &Metrics) -> Self {
        Self {
            requests: metrics.cache_requests().clone(),
            backend,
            name,
            hit: OnceLock::new(),
            miss: OnceLock::new(),
            ok: OnceLock::new(),
            unavailable: OnceLock::new(),
            failed: OnceLock::new(),
        }
    }

    /// The span of one call.
    fn span(&self) -> Span {
        tracing::debug_span!(
            "cache",
            operation = self.name,
            backend = self.backend,
            outcome = field::Empty
        )
    }

    /// Records the outcome of the call in `span`.
    fn count(&self, span: &Span, outcome: CacheOutcome) {
        let (counter, outcome) = match outcome {
            CacheOutcome::Hit => (&self.hit, "hit"),
            CacheOutcome::Miss => (&self.miss, "miss"),
            CacheOutcome::Ok => (&self.ok, "ok"),
            CacheOutcome::Unavailable => (&self.unavailable, "unavailable"),
            CacheOutcome::Failed => (&self.failed, "failed"),
        };
        span.record("outcome", outcome);
        let create = || {
            self.requests.get_or_create_owned(&CacheLabels {
                backend: self.backend,
                operation: self.name,
                outcome,
            })
        };
        counter.get_or_init(create).inc();
    }
}
