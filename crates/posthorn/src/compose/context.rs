//! What every part of the application is built from.

use std::sync::Arc;

use posthorn_application::Clock;
use posthorn_config::Settings;
use posthorn_http::Shed;
use posthorn_system::SystemClock;
use posthorn_telemetry::Metrics;

use crate::supervisor::Supervisor;

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
            .with_retention(&settings.store.retention());
        Self {
            settings,
            clock,
            metrics: Arc::new(metrics),
            supervisor: Supervisor::default(),
        }
    }
}
