//! `posthorn serve`: runs the server until a signal stops it. The first signal drains, the second ends
//! the process at once.

use std::process::ExitCode;

use posthorn_client::fail;
use posthorn_config::{Loaded, Settings};
use posthorn_system::StopSignals;
use posthorn_telemetry::{LogOutput, TelemetryGuard};
use tokio::sync::oneshot;

use crate::compose::App;

/// Runs the server.
pub(crate) fn run(loaded: Loaded) -> ExitCode {
    // Held to the end, so that the last log lines are written.
    let _telemetry = match start_log(&loaded.settings, LogOutput::Stdout) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    loaded.log_open_secrets();
    loaded.log_without_effect();
    let runtime = match posthorn_cli::build_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = match runtime.block_on(run_until_stopped(loaded.settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped by an error");
            fail(&error)
        }
    };
    // A task that is still running must not delay the exit.
    runtime.shutdown_background();
    code
}

/// Starts the log and the export of traces.
///
/// # Errors
/// A text for people: the settings are not usable.
pub(crate) fn start_log(settings: &Settings, output: LogOutput) -> Result<TelemetryGuard, String> {
    let (identity, mut log) = (settings.app.identity(), settings.log.settings());
    log.output = output;
    posthorn_telemetry::init(&identity, &log, settings.traces.as_ref())
        .map_err(|error| error.to_string())
}

async fn run_until_stopped(settings: Settings) -> Result<(), String> {
    let mut signals = StopSignals::listen().map_err(|error| error.to_string())?;
    let app = tokio::select! {
        app = App::compose(settings) => app.map_err(|error| error.to_string())?,
        signal = signals.next() => {
            tracing::info!(?signal, "stop signal received during the start");
            return Ok(());
        }
    };
    let (stop, stopped) = oneshot::channel();
    // A task of its own, so that a signal is received also while the server stops by itself.
    tokio::spawn(async move {
        let signal = signals.next().await;
        tracing::info!(?signal, "stop signal received");
        if stop.send(()).is_err() {
            signal.exit_now();
        }
        signals.next().await.exit_now();
    });
    app.run(async { drop(stopped.await) })
        .await
        .map_err(|error| error.to_string())
}
