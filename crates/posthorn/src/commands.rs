//! From the command line to an exit code: 0 done, 1 failed, 2 usage (by clap), 78 bad configuration.

mod runtime;
mod serve;
mod token;
mod work;

use std::process::ExitCode;

use clap::Parser;
use posthorn_client::{check_health, print, print_error};
use posthorn_config::{Loaded, Sources};

use crate::cli::{CommandLine, ConfigCommand, PosthornCommand};
use runtime::{BAD_CONFIGURATION, block_on};

/// Parses the command line and runs the command.
pub(crate) fn main() -> ExitCode {
    let cli = CommandLine::parse();
    install_tls_provider();
    let sources = Sources::of_process(cli.config.as_deref());
    let command = cli.command.unwrap_or(PosthornCommand::Serve);
    run(command, &sources).unwrap_or_else(|code| code)
}

/// Runs the command; the error is the exit code of a bad configuration.
fn run(command: PosthornCommand, sources: &Sources) -> Result<ExitCode, ExitCode> {
    Ok(match command {
        PosthornCommand::Serve => serve::run(load(sources, BAD_CONFIGURATION)?.settings),
        PosthornCommand::Config {
            command: Some(ConfigCommand::Schema),
            ..
        } => print(&format!("{:#}\n", posthorn_config::json_schema())),
        PosthornCommand::Config {
            reference: true, ..
        } => print(&posthorn_config::reference_markdown()),
        PosthornCommand::Config { .. } => print(&load(sources, 1)?.table()),
        PosthornCommand::Healthcheck { url } => {
            let url = match url {
                Some(url) => url,
                None => load(sources, 1)?.settings.listen.local_url() + "/health/ready",
            };
            block_on(check_health(&url))
        }
        PosthornCommand::Openapi => print(&posthorn_http::openapi_json()),
        PosthornCommand::Token { command } => {
            token::run(load(sources, BAD_CONFIGURATION)?.settings, command)
        }
        PosthornCommand::Work(arguments) => block_on(work::run(&arguments)),
        PosthornCommand::Client(command) => block_on(command.run()),
    })
}

/// Loads the configuration, or prints its errors and returns the exit code `code`.
fn load(sources: &Sources, code: u8) -> Result<Loaded, ExitCode> {
    posthorn_config::load(sources).map_err(|errors| {
        print_error(&format!("bad configuration\n{errors}"));
        ExitCode::from(code)
    })
}

/// Installs the cryptography of TLS for all clients in this process: HTTP, Redis, traces.
fn install_tls_provider() {
    // It fails only if a provider is installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
