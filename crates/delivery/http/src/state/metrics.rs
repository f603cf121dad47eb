//! The ports that this crate counts requests through and reads the metrics page from.

use std::time::Duration;

/// One finished request, as metrics count it. Every label has a bounded set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOutcome {
    /// The method, or `OTHER` for a method without a route.
    pub method: &'static str,
    /// The route's template, never the path; `unmatched` for a path without a route.
    pub endpoint: &'static str,
    /// The status code of the response.
    pub status: u16,
    /// The time from the request's head being read to its response being ready.
    pub latency: Duration,
}

/// Why the server rejected or abandoned a request to protect itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// The limit on requests in flight was reached.
    InFlight,
    /// The limit on open streams was reached.
    Streams,
    /// The client exceeded the flood guard's rate.
    Flood,
    /// The head did not arrive in time.
    HeaderTimeout,
    /// The body did not arrive in time, or the response was not ready in time.
    RequestTimeout,
    /// The client did not read the response in time.
    SlowReader,
    /// The client has too many connections; this one was closed at once.
    ClientConnections,
    /// The limit on the bytes of unread responses was reached.
    ResponseBytes,
    /// The limit on the bytes of incomplete bodies or of batches was reached, or the client's share of it.
    BodyBytes,
}

impl Shed {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::InFlight,
        Self::Streams,
        Self::Flood,
        Self::HeaderTimeout,
        Self::RequestTimeout,
        Self::SlowReader,
        Self::ClientConnections,
        Self::ResponseBytes,
        Self::BodyBytes,
    ];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Streams => "streams",
            Self::Flood => "flood",
            Self::HeaderTimeout => "header_timeout",
            Self::RequestTimeout => "request_timeout",
            Self::SlowReader => "slow_reader",
            Self::ClientConnections => "client_connections",
            Self::ResponseBytes => "response_bytes",
            Self::BodyBytes => "body_bytes",
        }
    }
}

/// Counts requests.
///
/// # Contract
/// Called on the hot path: MUST NOT block, and MUST keep a bounded number of series.
pub trait RequestMetrics: Send + Sync {
    /// The handling of a request started.
    fn request_started(&self);

    /// The handling of a request ended. Called exactly once for each `request_started`, with `None`
    /// if the client disconnected before there was a response.
    fn request_finished(&self, outcome: Option<RequestOutcome>);

    /// A message was rejected; `code` is the stable code of the error.
    fn message_rejected(&self, code: &'static str);

    /// A form whose trap for programs is filled was accepted and not stored.
    fn message_trapped(&self);

    /// Access was refused; `reason` is from a fixed set.
    fn access_refused(&self, reason: &'static str);

    /// A stream was opened (`true`) or ended (`false`).
    fn stream_changed(&self, opened: bool);

    /// A request began to wait for its body or for a message (`true`), so it is not in flight, or ended its wait
    /// (`false`).
    fn request_waiting(&self, waits: bool);

    /// A connection was accepted (`true`) or closed (`false`).
    fn connection_changed(&self, opened: bool);

    /// A request was rejected or abandoned to protect the server.
    fn request_shed(&self, reason: Shed);
}

/// A format of the metrics page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// The text format 0.0.4 of Prometheus, which every scraper reads.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl ExpositionFormat {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Renders the metrics page.
pub trait MetricsExposition: Send + Sync {
    /// Every metric.
    ///
    /// # Errors
    /// A text for the log.
    fn render(&self, format: ExpositionFormat) -> Result<String, String>;
}
