//! The command line, as clap reads it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

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
pub struct Cli {
    /// The TOML file to read settings from.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Serve,
    /// Print the effective configuration, secrets masked, and where each value came from.
    Config {
        /// Print the reference of all settings as Markdown instead.
        #[arg(long)]
        reference: bool,
    },
    /// Ask a server whether it is ready; the health command of a container.
    Healthcheck {
        /// What to ask; the readiness probe of the server configured here when nothing is said.
        #[arg(long)]
        url: Option<String>,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Send a message to a server, once, however often it has to be tried.
    Send {
        /// The text; `-` reads it from standard input.
        text: String,
        /// Where it goes; the server's inbox when nothing is said.
        #[arg(long)]
        topic: Option<String>,
        /// What else to say about it; may be repeated.
        #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = key_value)]
        attributes: Vec<(String, String)>,
        /// By what a retry is recognised; made anew when nothing is said.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
        /// How long to go on trying.
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
        retry_for: Duration,
        /// Print the whole receipt as JSON instead of the id.
        #[arg(long)]
        json: bool,
        /// Which server, and as whom.
        #[command(flatten)]
        server: ServerOptions,
    },
    /// Follow a topic: print each message once, in order, through every disconnect.
    Tail {
        /// The topic.
        topic: String,
        /// Start right after this message; from now on when nothing is said.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Print each message as a line of JSON.
        #[arg(long)]
        json: bool,
        /// Which server, and as whom.
        #[command(flatten)]
        server: ServerOptions,
    },
}

/// Which server a client command talks to, and as whom.
#[derive(Clone, Args)]
pub struct ServerOptions {
    /// The server's address.
    #[arg(long, env = "POSTHORN_URL", default_value = "http://127.0.0.1:5000")]
    pub url: String,
    /// A bearer token. An option would show it to every user of the machine.
    #[arg(long, env = "POSTHORN_TOKEN", hide = true, hide_env_values = true)]
    pub token: Option<String>,
}

/// Shows everything but the token.
impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("an attribute is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
