//! The one initialisation of logs and spans.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, registry};

use crate::bunyan::BunyanLayer;
use crate::filter::{self, FilterError};
use crate::log_queue::{self, LineWriter, QueueGuard};
use crate::panic_hook;
use crate::traces::{TraceError, TraceSettings, Traces};

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// What passes, as [`crate::check_filter`] takes it.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// The application's name, as Bunyan lines show it.
    pub app_name: String,
    /// How many bytes of lines may wait for the output; more are dropped and counted.
    pub queue_bytes: usize,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    Pretty,
    /// JSON lines in the Bunyan format, for machines.
    Bunyan,
}

/// Why logging was not set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The level is no filter.
    #[error("LOG_LEVEL: {0}")]
    Filter(#[from] FilterError),
    /// Something else in this process has set it up before.
    #[error("logging is set up already: {0}")]
    AlreadySet(#[from] TryInitError),
    /// Traces cannot be exported as they are set up.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// The thread that writes cannot be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Keeps the log and the traces going. Dropping it exports the spans that wait, and writes the
/// lines that wait, for at most two seconds each.
#[must_use = "dropping it ends the log"]
pub struct TelemetryGuard {
    // The order counts: what the end of traces logs is still written.
    _traces: Option<Traces>,
    _queue: QueueGuard,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Bunyan,
            app_name: "posthorn".to_owned(),
            queue_bytes: 4 * 1024 * 1024,
        }
    }
}

/// Sends what the whole process logs, by `tracing` or `log`, and its panics to standard output, and
/// its traces to their collector.
///
/// Call it once, before anything else, and drop the guard outside of any asynchronous runtime.
///
/// # Errors
/// The level is no filter, a setting of traces is not usable, or it was called before.
pub fn init(
    settings: &LogSettings,
    traces: Option<&TraceSettings>,
) -> Result<TelemetryGuard, InitError> {
    let filter = filter::parse(&settings.level)?;
    let (writer, queue) = log_queue::start(io::stdout(), settings.queue_bytes)?;
    let traces = traces.map(Traces::start).transpose()?;
    match (settings.format, &traces) {
        (LogFormat::Bunyan, None) => registry()
            .with(filter.for_all())
            .with(BunyanLayer::new(&settings.app_name, writer))
            .try_init(),
        (LogFormat::Bunyan, Some(traces)) => registry()
            .with(BunyanLayer::new(&settings.app_name, writer).with_filter(filter.for_one()))
            .with(traces.layer())
            .try_init(),
        (LogFormat::Pretty, None) => registry()
            .with(filter.for_all())
            .with(pretty(writer))
            .try_init(),
        (LogFormat::Pretty, Some(traces)) => registry()
            .with(pretty(writer).with_filter(filter.for_one()))
            .with(traces.layer())
            .try_init(),
    }?;
    queue.serves_the_process();
    panic_hook::install();
    Ok(TelemetryGuard {
        _traces: traces,
        _queue: queue,
    })
}

/// Lines for people.
fn pretty<S>(writer: LineWriter) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    // On a terminal the layer decides, because it knows `NO_COLOR`.
    if io::stdout().is_terminal() {
        layer
    } else {
        layer.with_ansi(false)
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        panic_hook::uninstall();
    }
}

impl fmt::Debug for TelemetryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryGuard").finish_non_exhaustive()
    }
}
