//! `posthorn serve`: runs the server until a signal stops it. The first signal drains, the second ends
//! the process at once.

use std::process::ExitCode;

use posthorn_client::fail;
use posthorn_config::Settings;
use posthorn_system::StopSignals;

use super::runtime;
use crate::compose::App;

/// Runs the server.
pub(super) fn run(settings: Settings) -> ExitCode {
    let (identity, log) = (settings.app.identity(), settings.log.settings());
    // Held to the end, so that the last log lines are written.
    let _telemetry = match posthorn_telemetry::init(&identity, &log, settings.traces.as_ref()) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    let runtime = match runtime::build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let code = match runtime.block_on(run_until_stopped(settings)) {
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

async fn run_until_stopped(settings: Settings) -> Result<(), String> {
    let mut signals = StopSignals::listen().map_err(|error| error.to_string())?;
    let app = tokio::select! {
        app = App::compose(settings) => app.map_err(|error| error.to_string())?,
        signal = signals.next() => {
            tracing::info!(?signal, "stop signal received during the start");
            return Ok(());
        }
    };
    let stop = async move {
        let signal = signals.next().await;
        tracing::info!(?signal, "stop signal received");
        tokio::spawn(async move { signals.next().await.exit_now() });
    };
    app.run(stop).await.map_err(|error| error.to_string())
}
