//! The tokio runtime of a command, and the exit codes of a wrong use and of a bad configuration.

use std::io;
use std::process::ExitCode;

use posthorn_client::fail;
use tokio::runtime::{Builder, Runtime};

/// The threads for background tasks: dependency checks, pruning, Redis pipelines. Requests are
/// served by the threads of actix-web.
const BACKGROUND_THREADS: usize = 2;
/// The exit code of a command line that clap rejects.
pub(crate) const USAGE: u8 = 2;
/// `EX_CONFIG` of BSD's `sysexits.h`.
pub(crate) const BAD_CONFIGURATION: u8 = 78;

/// Builds the runtime of a command.
///
/// # Errors
/// The operating system refuses a thread.
pub fn build() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name("background")
        .enable_all()
        .build()
}

/// Runs a command to its end.
pub(crate) fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    match build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => fail(&error),
    }
}
