//! Measures one operation of a store, by outcome.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use posthorn_application::{Clock, ConsumerError, StoreError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tracing::{Instrument, Span, field};

use crate::Metrics;
use crate::metrics::{Durations, StoreLabels};

/// The outcome of an operation.
#[derive(Clone, Copy)]
pub(crate) enum StoreOutcome {
    Ok,
    Replayed,
    KeyReused,
    Rejected,
    Unavailable,
    Full,
    Corrupt,
}

impl From<&StoreError> for StoreOutcome {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Full(_) => Self::Full,
            StoreError::Corrupt(_) => Self::Corrupt,
        }
    }
}

impl From<&ConsumerError> for StoreOutcome {
    fn from(error: &ConsumerError) -> Self {
        match error {
            ConsumerError::Store(error) => Self::from(error),
            ConsumerError::NotFound
            | ConsumerError::PreconditionFailed
            | ConsumerError::LimitReached
            | ConsumerError::TooManyTopics
            | ConsumerError::PositionAhead => Self::Rejected,
        }
    }
}

/// The histograms of one operation. Each appears in the exposition once it has a value, so an outcome that never occurs
/// adds no series; after that it is used without a lookup. What the store could not do counts also as an error of the
/// store, which is shown at 0 from the start, so that the first one counts as an increase.
pub(crate) struct OperationHistograms {
    durations: Durations<StoreLabels>,
    clock: Arc<dyn Clock>,
    name: &'static str,
    ok: OnceLock<Histogram>,
    replayed: OnceLock<Histogram>,
    key_reused: OnceLock<Histogram>,
    rejected: OnceLock<Histogram>,
    unavailable: OnceLock<Histogram>,
    full: OnceLock<Histogram>,
    corrupt: OnceLock<Histogram>,
    errors: StoreErrors,
}

/// The counters of what the store could not do, shared by its operations.
struct StoreErrors {
    unavailable: Counter,
    full: Counter,
    corrupt: Counter,
}

impl OperationHistograms {
    pub(crate) fn new(name: &'static str, metrics: &Metrics) -> Self {
        Self {
            durations: metrics.store_durations().clone(),
            clock: Arc::clone(metrics.clock()),
            name,
            ok: OnceLock::new(),
            replayed: OnceLock::new(),
            key_reused: OnceLock::new(),
            rejected: OnceLock::new(),
            unavailable: OnceLock::new(),
            full: OnceLock::new(),
            corrupt: OnceLock::new(),
            errors: StoreErrors {
                unavailable: metrics.store_errors("unavailable"),
                full: metrics.store_errors("full"),
                corrupt: metrics.store_errors("corrupt"),
            },
        }
    }

    /// Awaits `call` in a span of its own and records its duration by its outcome.
    pub(crate) async fn measure<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        for<'a> StoreOutcome: From<&'a E>,
    {
        let outcome = |result: &Result<T, E>| match result {
            Ok(_) => StoreOutcome::Ok,
            Err(error) => StoreOutcome::from(error),
        };
        self.measure_as(outcome, call).await
    }

    /// As [`OperationHistograms::measure`], for a result with an outcome of its own.
    pub(crate) async fn measure_as<R>(
        &self,
        outcome: impl FnOnce(&R) -> StoreOutcome,
        call: impl Future<Output = R>,
    ) -> R {
        let start = self.clock.monotonic();
        let span = tracing::debug_span!("store", operation = self.name, outcome = field::Empty);
        let result = call.instrument(span.clone()).await;
        let duration = self.clock.monotonic().saturating_sub(start);
        self.observe(outcome(&result), duration, &span);
        result
    }

    /// Records the outcome of the call in `span`.
    fn observe(&self, outcome: StoreOutcome, duration: Duration, span: &Span) {
        let errors = &self.errors;
        let (histogram, outcome, error) = match outcome {
            StoreOutcome::Ok => (&self.ok, "ok", None),
            StoreOutcome::Replayed => (&self.replayed, "replayed", None),
            StoreOutcome::KeyReused => (&self.key_reused, "key_reused", None),
            StoreOutcome::Rejected => (&self.rejected, "rejected", None),
            StoreOutcome::Unavailable => {
                (&self.unavailable, "unavailable", Some(&errors.unavailable))
            }
            StoreOutcome::Full => (&self.full, "full", Some(&errors.full)),
            StoreOutcome::Corrupt => (&self.corrupt, "corrupt", Some(&errors.corrupt)),
        };
        if let Some(error) = error {
            error.inc();
        }
        span.record("outcome", outcome);
        let create = || {
            self.durations.get_or_create_owned(&StoreLabels {
                operation: self.name,
                outcome,
            })
        };
        histogram
            .get_or_init(create)
            .observe(duration.as_secs_f64());
    }
}
