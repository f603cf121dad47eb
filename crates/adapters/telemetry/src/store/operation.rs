//! The durations of one operation of the store, by outcome.

use std::sync::OnceLock;
use std::time::Duration;

use posthorn_application::StoreError;
use prometheus_client::metrics::histogram::Histogram;
use tracing::{Span, field};

use crate::Metrics;
use crate::metrics::{Durations, StoreLabels};

/// How an operation ended.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Ok,
    Replayed,
    KeyReused,
    Unavailable,
    Full,
    Corrupt,
}

impl From<&StoreError> for Outcome {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable,
            StoreError::Full(_) => Self::Full,
            StoreError::Corrupt(_) => Self::Corrupt,
        }
    }
}

/// The histograms of one operation. Each appears in the exposition with its first event, so that
/// the outcomes that never come take no room there; after that it is found without a lookup.
pub(super) struct Operation {
    durations: Durations<StoreLabels>,
    name: &'static str,
    ok: OnceLock<Histogram>,
    replayed: OnceLock<Histogram>,
    key_reused: OnceLock<Histogram>,
    unavailable: OnceLock<Histogram>,
    full: OnceLock<Histogram>,
    corrupt: OnceLock<Histogram>,
}

impl Operation {
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

    /// The span around one call.
    pub(super) fn span(&self) -> Span {
        tracing::debug_span!("store", operation = self.name, outcome = field::Empty)
    }

    /// Notes how the call in `span` ended.
    pub(super) fn observe(&self, outcome: Outcome, duration: Duration, span: &Span) {
        let (histogram, outcome) = match outcome {
            Outcome::Ok => (&self.ok, "ok"),
            Outcome::Replayed => (&self.replayed, "replayed"),
            Outcome::KeyReused => (&self.key_reused, "key_reused"),
            Outcome::Unavailable => (&self.unavailable, "unavailable"),
            Outcome::Full => (&self.full, "full"),
            Outcome::Corrupt => (&self.corrupt, "corrupt"),
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
