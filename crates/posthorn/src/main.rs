//! The Posthorn binary: the composition of the server. The only crate that names two adapters.

mod compose;
mod installation;
mod serve;

use std::process::ExitCode;

use mimalloc::MiMalloc;
use posthorn_cli::BuildInfo;

use installation::LocalInstallation;

/// A request makes some forty allocations. Many of them are freed by another thread, because
/// retention removes messages that any thread has stored.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BUILD: BuildInfo = BuildInfo {
    version: concat!(
        env!("CARGO_PKG_VERSION"),
        " (commit ",
        env!("POSTHORN_BUILD_COMMIT"),
        ", built ",
        env!("POSTHORN_BUILD_DATE"),
        ")"
    ),
    date: env!("POSTHORN_BUILD_DATE"),
};

fn main() -> ExitCode {
    // The cryptography of TLS for all clients in this process: HTTP, Redis, traces. It fails only if a
    // provider is installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    posthorn_cli::main(&LocalInstallation, BUILD)
}
