//! From the command line to an exit code.

mod healthcheck;
mod serve;
mod token;
mod work;

use std::process::ExitCode;

use clap::Parser;
use posthorn_client::{fail, print};
use posthorn_config::Sources;

use crate::cli::{CommandLine, ConfigCommand, PosthornCommand};
use crate::exit::fail_configuration;
use crate::runtime;

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = CommandLine::parse();
    install_tls_provider();
    let sources = Sources::of_process(cli.config.as_deref());
    match cli.command.unwrap_or(PosthornCommand::Serve) {
        PosthornCommand::Serve => serve::run(&sources),
        PosthornCommand::Config {
            command: Some(ConfigCommand::Schema),
            ..
        } => print(&format!("{:#}\n", posthorn_config::json_schema())),
        PosthornCommand::Config {
            reference: true, ..
        } => print(&posthorn_config::reference_markdown()),
        PosthornCommand::Config { .. } => match posthorn_config::load(&sources) {
            Ok(loaded) => print(&loaded.table()),
            Err(errors) => fail_configuration(&errors, 1),
        },
        PosthornCommand::Healthcheck { url } => healthcheck::run(&sources, url),
        PosthornCommand::Openapi => print(&posthorn_http::openapi_json()),
        PosthornCommand::Token { command } => token::run(&sources, command),
        PosthornCommand::Work(arguments) => work::run(&arguments),
        PosthornCommand::Client(command) => match runtime::build() {
            Ok(runtime) => runtime.block_on(command.run()),
            Err(error) => fail(&error),
        },
    }
}

/// Installs the cryptography of TLS for all clients in this process: HTTP, Redis, traces.
fn install_tls_provider() {
    // It fails only if a provider is installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
