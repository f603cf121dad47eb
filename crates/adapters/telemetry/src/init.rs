//! Sets up the log and the traces of the process.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use posthorn_application::AppIdentity;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, registry};

use crate::bunyan::BunyanLayer;
use crate::filter::{self, FilterError};
use crate::log_names::ReadableFields;
use crate::log_queue::{self, LineWriter, QueueGuard};
use crate::panic_hook;
use crate::traces::{TraceError, TraceSettings, Traces};

/// Which events are logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The filter, in the syntax of [`crate::check_filter`].
    pub level: String,
    /// The format of a line.
    pub format: LogFormat,
    /// Where the lines go.
    pub output: LogOutput,
    /// How many bytes of lines may wait for the output. Further lines are dropped and counted.
    pub queue_bytes: usize,
}

/// Where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard output: of a server.
    Stdout,
    /// Standard error: of a command whose standard output is its result.
    Stderr,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    Pretty,
    /// JSON lines in the Bunyan format, for machines.
    Bunyan,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The level is not a filter.
    #[error("LOG_LEVEL: {0}")]
    Filter(#[from] FilterError),
    /// The process has a log already.
    #[error("the process has a log already: {0}")]
    AlreadySet(#[from] TryInitError),
    /// A setting of traces is not usable.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// The writing thread cannot be started.
    #[error("the writing thread of the log cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Keeps the log and the traces running. Dropping it exports the queued spans and writes the queued lines, for at most
/// two seconds each.
#[must_use = "dropping it ends the log"]
pub struct TelemetryGuard {
    // Dropped in this order, so that events at the end of the traces are still written.
    _traces: Option<Traces>,
    _queue: QueueGuard,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Bunyan,
            output: LogOutput::Stdout,
            queue_bytes: 4 * 1024 * 1024,
        }
    }
}

/// Writes all events of the process `identity`, from `tracing` or `log`, and its panics to the log's output, and exports its
/// traces.
///
/// Call it once, before anything else, and drop the guard outside of any asynchronous runtime.
///
/// # Errors
/// The level is not a filter, a setting of traces is not usable, or the process has a log already.
pub fn init(
    identity: &AppIdentity,
    settings: &LogSettings,
    traces: Option<&TraceSettings>,
) -> Result<TelemetryGuard, InitError> {
    let filter = filter::parse(&settings.level)?;
    let (writer, queue) = log_queue::start(settings.output.writer(), settings.queue_bytes)?;
    let traces = traces.map(|traces| Traces::start(traces, identity));
    let traces = traces.transpose()?;
    match (settings.format, &traces) {
        (LogFormat::Bunyan, None) => registry()
            .with(filter.for_all())
            .with(BunyanLayer::new(&identity.name, writer))
            .try_init(),
        (LogFormat::Bunyan, Some(traces)) => registry()
            .with(BunyanLayer::new(&identity.name, writer).with_filter(filter.for_one()))
            .with(traces.layer())
            .try_init(),
        (LogFormat::Pretty, None) => registry()
            .with(filter.for_all())
            .with(pretty(writer, settings.output))
            .try_init(),
        (LogFormat::Pretty, Some(traces)) => registry()
            .with(pretty(writer, settings.output).with_filter(filter.for_one()))
            .with(traces.layer())
            .try_init(),
    }?;
    queue.set_as_process_log();
    panic_hook::install();
    Ok(TelemetryGuard {
        _traces: traces,
        _queue: queue,
    })
}

/// The layer of readable lines.
fn pretty<S>(writer: LineWriter, output: LogOutput) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(ReadableFields)
        .with_writer(writer);
    // On a terminal the layer decides, as it respects `NO_COLOR`.
    if output.is_terminal() {
        layer
    } else {
        layer.with_ansi(false)
    }
}

impl LogOutput {
    fn writer(self) -> Box<dyn Write + Send> {
        match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stderr => Box::new(io::stderr()),
        }
    }

    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
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
