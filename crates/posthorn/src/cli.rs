//! The command line, as clap parses it.

mod client;
mod consumer;
mod token;
mod work;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use client::{SendArguments, ServerArguments, TailArguments};
pub use consumer::{ConsumerArguments, ConsumerCommand};
pub use token::{ScopeList, TokenCommand};
pub use work::WorkArguments;

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("POSTHORN_BUILD_COMMIT"),
    ", built ",
    env!("POSTHORN_BUILD_DATE"),
    ")"
);

/// Printed with the help of each client command.
const TOKEN_HELP: &str = "If the server requires a token, set POSTHORN_TOKEN. There is no option \
    for it: an argument is visible to every user of the machine.";

/// Posthorn, an HTTP message inbox.
#[derive(Debug, Parser)]
#[command(name = "posthorn", version = VERSION, about, propagate_version = true)]
pub struct CommandLine {
    /// The TOML file with settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The command; `serve` by default.
    #[command(subcommand)]
    pub command: Option<PosthornCommand>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum PosthornCommand {
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
    /// Send a message, stored once through any number of retries.
    #[command(after_help = TOKEN_HELP)]
    Send(SendArguments),
    /// Follow a topic: print each message once, in order, through every disconnect.
    #[command(after_help = TOKEN_HELP)]
    Tail(TailArguments),
    /// Run a command for each message of a consumer.
    #[command(after_help = work::HELP)]
    Work(WorkArguments),
    /// Manage the consumers of a topic.
    #[command(after_help = TOKEN_HELP)]
    Consumer(ConsumerArguments),
}

/// A command about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
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
