//! Histograms of durations.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Histograms of durations, one for each set of labels.
pub(crate) type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// Registers a family of histograms in seconds; `_seconds` is added to `name`.
pub(super) fn register_durations<L>(registry: &mut Registry, name: &str, help: &str) -> Durations<L>
where
    Durations<L>: prometheus_client::registry::Metric + Clone,
    L: Clone + Eq + std::hash::Hash,
{
    let durations = Durations::new_with_constructor(duration_histogram);
    registry.register_with_unit(name, help, Unit::Seconds, durations.clone());
    durations
}

fn duration_histogram() -> Histogram {
    Histogram::new(BUCKETS)
}
