//! The tokio runtime of a command.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// The threads for background tasks: dependency checks, pruning, Redis pipelines. Requests are
/// served by the threads of actix-web.
const BACKGROUND_THREADS: usize = 2;

/// Builds the runtime.
pub(crate) fn build() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name("background")
        .enable_all()
        .build()
}
