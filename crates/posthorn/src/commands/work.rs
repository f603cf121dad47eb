//! `posthorn work`: the signals around the work.

use std::process::ExitCode;

use posthorn_client::{ClientError, WorkArguments, fail};
use posthorn_system::{StopSignal, StopSignals};

use crate::runtime;

/// Works until a signal; a second signal stops at once, with its exit code.
pub(super) fn run(arguments: &WorkArguments) -> ExitCode {
    let runtime = match runtime::build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(work(arguments)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(signal)) => ExitCode::from(signal.exit_code()),
        Err(error) => fail(&error),
    }
}

/// Returns the signal that stopped the work before its end.
async fn work(arguments: &WorkArguments) -> Result<Option<StopSignal>, ClientError> {
    let local = |error: std::io::Error| ClientError::Local(error.to_string());
    let mut signals = StopSignals::listen().map_err(local)?;
    let (start_drain, drain) = tokio::sync::oneshot::channel::<()>();
    let second_signal = async move {
        signals.next().await;
        let _ = start_drain.send(());
        signals.next().await
    };
    let drain = async {
        let _ = drain.await;
    };
    tokio::select! {
        outcome = posthorn_client::work(arguments, drain) => outcome.map(|()| None),
        // Dropping the work kills the commands.
        signal = second_signal => Ok(Some(signal)),
    }
}
