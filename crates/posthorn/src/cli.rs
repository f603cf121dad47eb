//! The command line, as clap parses it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use posthorn_client::{ClientCommand, TokenCommand, WORK_HELP, WorkArguments};

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("POSTHORN_BUILD_COMMIT"),
    ", built ",
    env!("POSTHORN_BUILD_DATE"),
    ")"
);

/// Posthorn, an HTTP message inbox.
#[derive(Debug, Parser)]
#[command(name = "posthorn", version = VERSION, about, propagate_version = true)]
pub(crate) struct CommandLine {
    /// The TOML file with settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The command; `serve` by default.
    #[command(subcommand)]
    pub(crate) command: Option<PosthornCommand>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum PosthornCommand {
    /// Run the server.
    #[command(after_long_help = posthorn_config::help_text())]
    Serve,
    /// Print the effective configuration, secrets masked, and where each value comes from.
    Config {
        /// Print the reference of all settings as Markdown instead.
        #[arg(long)]
        reference: bool,
        /// What to print instead.
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// Check that a server is ready; the health command of a container.
    Healthcheck {
        /// The URL of the probe; by default the readiness of the server configured here.
        #[arg(long)]
        url: Option<String>,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Issue, inspect and revoke bearer tokens.
    Token {
        /// The token command.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// A command that calls a server.
    #[command(flatten)]
    Client(ClientCommand),
    /// Run a command for each message of a consumer.
    #[command(after_help = WORK_HELP)]
    Work(WorkArguments),
}

/// A command about the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the JSON Schema of the TOML file, for editors.
    Schema,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }
}
