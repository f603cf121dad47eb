//! Measures one operation of a store, by outcome.

use std::sync::OnceLock;
use std::time::Duration;

use posthorn_application::StoreError;
use prometheus_client::metrics::histogram::Histogram;
use tracing::{Span, field};

use crate::Metrics;
use crate::metrics::{Durations, StoreLabels};

/// The outcome of an operation.
#[derive(Clone, Copy)]
pub(super) enum StoreOutcome {
    Ok,
    Replayed,
    KeyReused,
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

/// The histograms of one operation. Each appears in the exposition once it has a value, so an outcome that never occurs
/// adds no series; after that it is used without a lookup.
pub(super) struct OperationHistograms {
    durations: Durations<StoreLabels>,
    name: &'static str,
    ok: OnceLock<Histogram>,
    replayed: OnceLock<Histogram>,
    key_reused: OnceLock<Histogram>,
    unavailable: OnceLock<Histogram>,
    full: OnceLock<Histogram>,
    corrupt: OnceLock<Histogram>,
}

impl OperationHistograms {
    pub(super) fn new(name: &'static str, metrics: &Metrics) -> Self {
        Self {
            durations: metrics.store_durations().clone(),
            name,
            ok: OnceLock::new(),
            replayed: OnceLock::new(),
            key_reused: OnceLock::new(),
            unavailable: OnceLock::new(),
            full: OnceLock::new(),
            corrupt: OnceLock::new(),
        }
    }

    /// The span of one call.
    pub(super) fn span(&self) -> Span {
        tracing::debug_span!("store", operation = self.name, outcome = field::Empty)
    }

    /// Records the outcome of the call in `span`.
    pub(super) fn observe(&self, outcome: StoreOutcome, duration: Duration, span: &Span) {
        let (histogram, outcome) = match outcome {
            StoreOutcome::Ok => (&self.ok, "ok"),
            StoreOutcome::Replayed => (&self.replayed, "replayed"),
            StoreOutcome::KeyReused => (&self.key_reused, "key_reused"),
            StoreOutcome::Unavailable => (&self.unavailable, "unavailable"),
            StoreOutcome::Full => (&self.full, "full"),
            StoreOutcome::Corrupt => (&self.corrupt, "corrupt"),
        };
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
