//! Where the delivery layer reports requests to, and where the exposition comes from, as ports.

use std::time::Duration;

/// One finished request, as metrics see it. Every label is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOutcome {
    /// The method, or `OTHER` for one that no route knows.
    pub method: &'static str,
    /// The route's template, never the path; `unmatched` for a path that no route knows.
    pub endpoint: &'static str,
    /// The status code of the answer.
    pub status: u16,
    /// From the request's head being read to its answer being ready.
    pub latency: Duration,
}

/// Why the server protected itself from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// As many requests as may be were being handled.
    InFlight,
    /// As many streams as may be were open.
    Streams,
    /// Its client asked too fast.
    Flood,
    /// Its head did not come in time.
    HeaderTimeout,
    /// Its body did not come in time, or the answer was not ready.
    RequestTimeout,
    /// Its client did not read the answer in time.
    SlowReader,
}

impl Shed {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::InFlight,
        Self::Streams,
        Self::Flood,
        Self::HeaderTimeout,
        Self::RequestTimeout,
        Self::SlowReader,
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
        }
    }
}

/// Counts requests.
///
/// # Contract
/// Called on the hot path: MUST NOT block, and MUST keep a bounded number of series.
pub trait RequestMetrics: Send + Sync {
    /// A request's handling began.
    fn request_started(&self);

    /// A request's handling ended; called once for each `request_started`, whatever became of the
    /// request; `None` when its client went away before there was an answer.
    fn request_finished(&self, outcome: Option<RequestOutcome>);

    /// A message was refused; `code` is the stable code of the error.
    fn message_rejected(&self, code: &'static str);

    /// A request was refused for what its token is or lacks; `reason` is one of a fixed few.
    fn access_refused(&self, reason: &'static str);

    /// A stream was opened (`true`) or ended (`false`).
    fn stream_changed(&self, opened: bool);

    /// A connection was accepted (`true`) or ended (`false`).
    fn connection_changed(&self, opened: bool);

    /// A request was refused or given up for the sake of the others.
    fn request_shed(&self, reason: Shed);
}

/// Writes what was counted.
pub trait MetricsExposition: Send + Sync {
    /// The media type of [`MetricsExposition::render`].
    fn content_type(&self) -> &'static str;

    /// Every metric in the exposition format that `content_type` names.
    ///
    /// # Errors
    /// The text is for logs.
    fn render(&self) -> Result<String, String>;
}
