//! A cache that counts what it is asked.

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

/// A [`Cache`] around another one that feeds `app_cache_requests_total`, and puts a span around
/// each operation.
pub struct InstrumentedCache<V> {
    inner: Arc<dyn Cache<V>>,
    get: Operation,
    set: Operation,
    delete: Operation,
    clear: Operation,
}

impl<V> InstrumentedCache<V> {
    /// Counts what `inner` is asked, under the name `backend`.
    pub fn new(inner: Arc<dyn Cache<V>>, backend: &'static str, metrics: &Metrics) -> Self {
        let operation = |name| Operation::new(backend, name, metrics);
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
                Some(_) => Outcome::Hit,
                None => Outcome::Miss,
            }),
        );
        result
    }

    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError> {
        let span = self.set.span();
        let call = self.inner.set(key, value, ttl);
        let result = call.instrument(span.clone()).await;
        self.set.count(&span, outcome(&result, |()| Outcome::Ok));
        result
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let span = self.delete.span();
        let call = self.inner.delete(key);
        let result = call.instrument(span.clone()).await;
        self.delete.count(&span, outcome(&result, |_| Outcome::Ok));
        result
    }

    async fn clear(&self) -> Result<(), BackendError> {
        let span = self.clear.span();
        let call = self.inner.clear();
        let result = call.instrument(span.clone()).await;
        self.clear.count(&span, outcome(&result, |()| Outcome::Ok));
        result
    }
}

impl<V> fmt::Debug for InstrumentedCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedCache").finish_non_exhaustive()
    }
}

/// How an operation ended.
#[derive(Clone, Copy)]
enum Outcome {
    Hit,
    Miss,
    Ok,
    Unavailable,
    Failed,
}

fn outcome<T>(result: &Result<T, BackendError>, of_value: impl Fn(&T) -> Outcome) -> Outcome {
    match result {
        Ok(value) => of_value(value),
        Err(BackendError::Unavailable(_)) => Outcome::Unavailable,
        Err(BackendError::Failed(_)) => Outcome::Failed,
    }
}

/// The counters of one operation. Each appears in the exposition with its first event.
struct Operation {
    requests: Family<CacheLabels, Counter>,
    backend: &'static str,
    name: &'static str,
    hit: OnceLock<Counter>,
    miss: OnceLock<Counter>,
    ok: OnceLock<Counter>,
    unavailable: OnceLock<Counter>,
    failed: OnceLock<Counter>,
}

impl Operation {
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

    /// The span around one call.
    fn span(&self) -> Span {
        tracing::debug_span!(
            "cache",
            operation = self.name,
            backend = self.backend,
            outcome = field::Empty
        )
    }

    /// Notes how the call in `span` ended.
    fn count(&self, span: &Span, outcome: Outcome) {
        let (counter, outcome) = match outcome {
            Outcome::Hit => (&self.hit, "hit"),
            Outcome::Miss => (&self.miss, "miss"),
            Outcome::Ok => (&self.ok, "ok"),
            Outcome::Unavailable => (&self.unavailable, "unavailable"),
            Outcome::Failed => (&self.failed, "failed"),
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
