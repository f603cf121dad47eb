//! Telemetry's metrics behind the ports of the HTTP crate: neither of the two knows the other.

use std::sync::Arc;

use posthorn_http::{ExpositionFormat, MetricsExposition, RequestMetrics, RequestOutcome, Shed};
use posthorn_telemetry::Metrics;

/// The metrics of the process, as the HTTP crate counts in them and serves them.
pub(super) struct HttpMetrics(pub(super) Arc<Metrics>);

impl RequestMetrics for HttpMetrics {
    fn request_started(&self) {
        self.0.request_started();
    }

    fn request_finished(&self, outcome: Option<RequestOutcome>) {
        match outcome {
            Some(RequestOutcome {
                method,
                endpoint,
                status,
                latency,
            }) => {
                self.0.request_finished(method, endpoint, status, latency);
            }
            None => self.0.request_abandoned(),
        }
    }

    fn message_trapped(&self) {
        self.0.message_trapped();
    }

    fn message_rejected(&self, code: &'static str) {
        self.0.message_rejected(code);
    }

    fn access_refused(&self, reason: &'static str) {
        self.0.access_refused(reason);
    }

    fn stream_changed(&self, opened: bool) {
        self.0.stream_changed(opened);
    }

    fn request_waiting(&self, waits: bool) {
        self.0.request_waiting(waits);
    }

    fn connection_changed(&self, opened: bool) {
        self.0.connection_changed(opened);
    }

    fn request_shed(&self, reason: Shed) {
        self.0.request_shed(reason.as_str());
    }
}

impl MetricsExposition for HttpMetrics {
    fn render(&self, format: ExpositionFormat) -> Result<String, String> {
        match format {
            ExpositionFormat::Classic => self.0.render_classic(),
            ExpositionFormat::OpenMetrics => self.0.render(),
        }
    }
}
