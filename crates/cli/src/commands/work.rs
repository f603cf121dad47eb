//! `posthorn work`: the signals around the work. The first drains, the second stops at once.

use std::process::ExitCode;

use posthorn_client::{WorkArguments, fail, fail_call};
use posthorn_system::StopSignals;
use tokio::sync::oneshot;

/// Works until a signal. The exit code of a second signal is that of a process which it ended.
pub(super) async fn run(arguments: &WorkArguments) -> ExitCode {
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    let (start_drain, drain) = oneshot::channel::<()>();
    let second_signal = async move {
        signals.next().await;
        let _ = start_drain.send(());
        signals.next().await
    };
    let drain = async {
        let _ = drain.await;
    };
    tokio::select! {
        outcome = posthorn_client::work(arguments, drain) => match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail_call(&error),
        },
        // Dropping the work kills the commands.
        signal = second_signal => ExitCode::from(signal.exit_code()),
    }
}
