//! Metrics that record every call.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use posthorn_http::{ExpositionFormat, MetricsExposition, RequestMetrics, RequestOutcome, Shed};

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    in_flight: AtomicI64,
    waiting: AtomicI64,
    streams: AtomicI64,
    connections: AtomicI64,
    shed: Mutex<Vec<Shed>>,
    finished: Mutex<Vec<Option<RequestOutcome>>>,
    rejected: Mutex<Vec<&'static str>>,
    refused: Mutex<Vec<&'static str>>,
    pub(crate) trapped: AtomicUsize,
    pub(crate) is_broken: AtomicBool,
}

impl Recorder {
    /// The requests that wait for their body or a message.
    pub(crate) fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn streams(&self) -> i64 {
        self.streams.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> i64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// The reasons of shed requests.
    pub(crate) fn shed(&self) -> Vec<Shed> {
        self.shed.lock().unwrap().clone()
    }

    /// Method, endpoint and status of each finished request; `None` if the client disconnected.
    pub(crate) fn finished(&self) -> Vec<Option<(&'static str, &'static str, u16)>> {
        let finished = self.finished.lock().unwrap();
        let labels = |outcome: RequestOutcome| (outcome.method, outcome.endpoint, outcome.status);
        finished.iter().map(|outcome| outcome.map(labels)).collect()
    }

    pub(crate) fn rejected(&self) -> Vec<&'static str> {
        self.rejected.lock().unwrap().clone()
    }
}

impl Recorder {
    /// The reasons of refused access.
    pub(crate) fn refused(&self) -> Vec<&'static str> {
        self.refused.lock().unwrap().clone()
    }
}

impl RequestMetrics for Recorder {
    fn request_started(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    fn request_finished(&self, outcome: Option<RequestOutcome>) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.finished.lock().unwrap().push(outcome);
    }

    fn message_trapped(&self) {
        self.trapped.fetch_add(1, Ordering::SeqCst);
    }

    fn message_rejected(&self, code: &'static str) {
        self.rejected.lock().unwrap().push(code);
    }

    fn access_refused(&self, reason: &'static str) {
        self.refused.lock().unwrap().push(reason);
    }

    fn stream_changed(&self, opened: bool) {
        let change = if opened { 1 } else { -1 };
        self.streams.fetch_add(change, Ordering::SeqCst);
    }

    fn request_waiting(&self, waits: bool) {
        let change = if waits { 1 } else { -1 };
        self.waiting.fetch_add(change, Ordering::SeqCst);
        self.in_flight.fetch_sub(change, Ordering::SeqCst);
    }

    fn connection_changed(&self, opened: bool) {
        let change = if opened { 1 } else { -1 };
        self.connections.fetch_add(change, Ordering::SeqCst);
    }

    fn request_shed(&self, reason: Shed) {
        self.shed.lock().unwrap().push(reason);
    }
}

impl MetricsExposition for Recorder {
    fn render(&self, format: ExpositionFormat) -> Result<String, String> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err("broken on order".to_owned());
        }
        Ok(match format {
            ExpositionFormat::Classic => String::new(),
            ExpositionFormat::OpenMetrics => "# EOF\n".to_owned(),
        })
    }
}
