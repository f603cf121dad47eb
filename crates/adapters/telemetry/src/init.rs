//! The one initialisation of logs and spans.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::bunyan::BunyanLayer;
use crate::filter::{self, FilterError};
use crate::log_queue::{self, QueueGuard};
use crate::panic_hook;

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
    /// The thread that writes cannot be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Keeps the log going. Dropping it writes the lines that wait, for at most two seconds.
#[must_use = "dropping it ends the log"]
pub struct TelemetryGuard {
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

/// Sends what the whole process logs, by `tracing` or `log`, and its panics to standard output.
///
/// Call it once, before anything else.
///
/// # Errors
/// The level is no filter, or it was called before.
pub fn init(settings: &LogSettings) -> Result<TelemetryGuard, InitError> {
    let filter = filter::parse(&settings.level)?;
    let (writer, queue) = log_queue::start(io::stdout(), settings.queue_bytes)?;
    let subscriber = tracing_subscriber::registry().with(filter);
    match settings.format {
        LogFormat::Bunyan => subscriber
            .with(BunyanLayer::new(&settings.app_name, writer))
            .try_init(),
        LogFormat::Pretty => {
            let layer = tracing_subscriber::fmt::layer().with_writer(writer);
            // On a terminal the layer decides, because it knows `NO_COLOR`.
            let layer = if io::stdout().is_terminal() {
                layer
            } else {
                layer.with_ansi(false)
            };
            subscriber.with(layer).try_init()
        }
    }?;
    queue.serves_the_process();
    panic_hook::install();
    Ok(TelemetryGuard { _queue: queue })
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
