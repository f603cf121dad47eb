//! What every part of the application is built from.

use std::sync::Arc;

use posthorn_application::{Clock, Refusal};
use posthorn_config::Settings;
use posthorn_http::{Shed, error_codes};
use posthorn_system::{Supervisor, SystemClock};
use posthorn_telemetry::Metrics;

/// The settings, and what the parts share.
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) supervisor: Supervisor,
}

impl Context {
    pub(super) fn new(settings: Settings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Metrics::new(&settings.app.identity(), Arc::clone(&clock))
            .with_shed_reasons(Shed::ALL.map(Shed::as_str))
            .with_refusals(Refusal::NAMES)
            .with_rejections(error_codes())
            .with_limits(
                limit(settings.http.max_connections),
                limit(settings.http.max_streams),
                limit(settings.http.max_in_flight),
            )
            .with_store_limits(settings.store.max_topics, settings.store.rejecting_bytes())
            .with_retention(&settings.store.retention());
        Self {
            settings,
            clock,
            metrics: Arc::new(metrics),
            supervisor: Supervisor::default(),
        }
    }
}

/// A limit as metrics show it.
fn limit(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
