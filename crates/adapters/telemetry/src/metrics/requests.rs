//! What became of requests. This is the hot path: it allocates only for a series that is new.

use posthorn_application::RequestOutcome;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::RequestLabels;
use super::{Durations, register_durations};

/// Counts requests and streams.
#[derive(Clone, Debug)]
pub(super) struct RequestSeries {
    total: Family<RequestLabels, Counter>,
    durations: Durations<RequestLabels>,
    in_flight: Gauge,
    streams: Gauge,
}

impl RequestSeries {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let total = Family::default();
        let help = "Requests that were answered";
        registry.register("app_requests", help, total.clone());
        let durations = register_durations(
            registry,
            "app_request_duration",
            "Time from a request's head being read to its answer being ready",
        );
        let in_flight = Gauge::default();
        let help = "Requests that are being handled";
        registry.register("app_requests_in_flight", help, in_flight.clone());
        let streams = Gauge::default();
        registry.register("app_streams_open", "Streams that are open", streams.clone());
        Self {
            total,
            durations,
            in_flight,
            streams,
        }
    }

    pub(super) fn started(&self) {
        self.in_flight.inc();
    }

    pub(super) fn finished(&self, outcome: Option<RequestOutcome>) {
        self.in_flight.dec();
        let Some(RequestOutcome {
            method,
            endpoint,
            status,
            latency,
        }) = outcome
        else {
            return;
        };
        let labels = RequestLabels {
            method,
            endpoint,
            status,
        };
        self.total.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&labels)
            .observe(latency.as_secs_f64());
    }

    pub(super) fn stream_changed(&self, opened: bool) {
        if opened {
            self.streams.inc();
        } else {
            self.streams.dec();
        }
    }
}
