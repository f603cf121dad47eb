//! From the command line to an exit code.

mod client;
mod config;
mod healthcheck;
mod serve;
mod token;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::{Sources, reference_markdown};
use crate::exit::print;

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    install_tls_provider();
    let sources = Sources::of_process(cli.config.as_deref());
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&sources),
        Command::Config { reference: true } => print(&reference_markdown()),
        Command::Config { reference: false } => config::run(&sources),
        Command::Healthcheck { url } => healthcheck::run(&sources, url),
        Command::Openapi => print(&posthorn_http::openapi_json()),
        Command::Token { command } => token::run(&sources, command),
        Command::Send(arguments) => client::send(&arguments),
        Command::Tail(arguments) => client::tail(&arguments),
    }
}

/// Installs the cryptography of TLS for all clients in this process: HTTP, Redis, traces.
fn install_tls_provider() {
    // It fails only if a provider is installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
