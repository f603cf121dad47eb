//! Counts requests, streams and connections. This is the hot path: it allocates only for a new series.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::durations::{Durations, register_durations};
use super::labels::{RequestLabels, ShedLabels};

/// The number of registries so far, which numbers them.
static REGISTRIES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The series that this thread has used, by registry and labels. A lookup in the family takes a lock that all
    /// threads share.
    static FOUND: RefCell<HashMap<(usize, RequestLabels), (Counter, Histogram)>> =
        RefCell::default();
}

/// Counts requests, streams and connections.
#[derive(Clone, Debug)]
pub(super) struct RequestSeries {
    registry: usize,
    total: Family<RequestLabels, Counter>,
    durations: Durations<RequestLabels>,
    in_flight: Gauge,
    streams: Gauge,
    connections: Gauge,
    shed: Family<ShedLabels, Counter>,
}

impl RequestSeries {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let total = Family::default();
        let help = "Requests that got a response";
        registry.register("app_requests", help, total.clone());
        let durations = register_durations(
            registry,
            "app_request_duration",
            "Time from the head of a request to its response",
        );
        let in_flight = Gauge::default();
        let help = "Requests in flight";
        registry.register("app_requests_in_flight", help, in_flight.clone());
        let streams = Gauge::default();
        let help = "Open streams and waiting pulls";
        registry.register("app_streams_open", help, streams.clone());
        let connections = Gauge::default();
        let help = "Open connections";
        registry.register("app_connections_open", help, connections.clone());
        let shed = Family::default();
        let help = "Requests that were rejected or cut off to protect the server, by reason";
        registry.register("app_requests_shed", help, shed.clone());
        Self {
            registry: REGISTRIES.fetch_add(1, Ordering::Relaxed),
            total,
            durations,
            in_flight,
            streams,
            connections,
            shed,
        }
    }

    pub(super) fn started(&self) {
        self.in_flight.inc();
    }

    pub(super) fn abandoned(&self) {
        self.in_flight.dec();
    }

    pub(super) fn finished(
        &self,
        method: &'static str,
        endpoint: &'static str,
        status: u16,
        latency: Duration,
    ) {
        self.in_flight.dec();
        let labels = RequestLabels {
            method,
            endpoint,
            status,
        };
        FOUND.with_borrow_mut(|found| {
            let key = (self.registry, labels);
            let (total, durations) = found.entry(key).or_insert_with_key(|(_, labels)| {
                // Shown at 0 from the first request, so that the first error counts as an increase.
                for status in [500, 503] {
                    let (method, endpoint) = (labels.method, labels.endpoint);
                    let _ = self.total.get_or_create(&RequestLabels {
                        method,
                        endpoint,
                        status,
                    });
                }
                let durations = self.durations.get_or_create_owned(labels);
                (self.total.get_or_create_owned(labels), durations)
            });
            total.inc();
            durations.observe(latency.as_secs_f64());
        });
    }

    pub(super) fn stream_changed(&self, opened: bool) {
        change(&self.streams, opened);
    }

    pub(super) fn request_waiting(&self, waits: bool) {
        change(&self.in_flight, !waits);
    }

    pub(super) fn connection_changed(&self, opened: bool) {
        change(&self.connections, opened);
    }

    pub(super) fn add_shed_reasons(&self, reasons: impl IntoIterator<Item = &'static str>) {
        for reason in reasons {
            let _ = self.shed.get_or_create(&ShedLabels { reason });
        }
    }

    pub(super) fn shed(&self, reason: &'static str) {
        self.shed.get_or_create(&ShedLabels { reason }).inc();
    }
}

fn change(gauge: &Gauge, opened: bool) {
    if opened {
        gauge.inc();
    } else {
        gauge.dec();
    }
}
