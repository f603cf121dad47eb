//! The command line, as clap reads it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use posthorn_domain::{Scope, ScopeError, Subject, Topic, TopicPattern};

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("POSTHORN_BUILD_COMMIT"),
    ", built ",
    env!("POSTHORN_BUILD_DATE"),
    ")"
);

/// What the client commands say about tokens: an option would show one to every user of the machine.
const TOKEN_HELP: &str =
    "Where the server asks for a token, the environment gives it: POSTHORN_TOKEN.";

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
    /// Issue, inspect and revoke bearer tokens.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Send a message to a server, once, however often it has to be tried.
    #[command(after_help = TOKEN_HELP)]
    Send {
        /// The text, which may begin with a hyphen; `-` reads it from standard input.
        #[arg(default_value = "-", allow_hyphen_values = true, value_parser = message_text)]
        text: String,
        /// A text that begins with two hyphens.
        #[arg(last = true, value_name = "TEXT", conflicts_with = "text")]
        literal: Option<String>,
        /// Where it goes; the server's inbox when nothing is said.
        #[arg(long, value_parser = Topic::parse)]
        topic: Option<Topic>,
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
    #[command(after_help = TOKEN_HELP)]
    Tail {
        /// The topic.
        #[arg(value_parser = Topic::parse)]
        topic: Topic,
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

/// What to do with tokens. They are signed with the `SECRET_KEY` of the configuration.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Print a new token.
    Issue {
        /// Whom it is for.
        #[arg(long, value_name = "SUBJECT")]
        sub: Subject,
        /// What it permits: messages:read, messages:write, messages:delete, tokens:revoke; several
        /// are separated by commas or spaces, or the option is repeated.
        #[arg(long, value_name = "SCOPE", required = true)]
        scope: Vec<ScopeList>,
        /// On which topics, `*` standing for any characters; as for scopes.
        #[arg(long, value_name = "PATTERN", default_value = "*", value_delimiter = ',', value_parser = TopicPattern::parse)]
        topics: Vec<TopicPattern>,
        /// For how long, at most 365d.
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
        ttl: Duration,
    },
    /// Print what a token says, and whether it is valid.
    Inspect {
        /// The token; `-` reads it from standard input. An argument shows it to every user of the
        /// machine.
        #[arg(env = "POSTHORN_TOKEN", hide_env_values = true)]
        token: String,
    },
    /// Let no server take a token any more, from 5 seconds from now at the latest.
    Revoke {
        /// The token's id (`jti`), or the token; `-` reads it from standard input.
        #[arg(value_name = "JTI")]
        token: String,
        /// For how long an id has to be remembered, if that is known to be less than 365d.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        ttl: Option<Duration>,
        /// The server to ask; the one that is configured here when nothing is said. Without a
        /// server the store is opened.
        #[arg(long, env = "POSTHORN_URL", hide_env_values = true)]
        url: Option<String>,
    },
}

/// Scopes in one text.
#[derive(Clone, Debug)]
pub struct ScopeList(pub Vec<Scope>);

impl FromStr for ScopeList {
    type Err = ScopeError;

    /// A text without a name is refused as a name that is empty.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split([',', ' ']).filter(|name| !name.is_empty());
        let scopes: Vec<_> = names.map(str::parse).collect::<Result<_, _>>()?;
        if scopes.is_empty() {
            return "".parse().map(|scope| Self(vec![scope]));
        }
        Ok(Self(scopes))
    }
}

/// Shows no token.
impl fmt::Debug for TokenCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issue { .. } => "Issue",
            Self::Inspect { .. } => "Inspect",
            Self::Revoke { .. } => "Revoke",
        })
    }
}

/// Which server a client command talks to, and as whom.
#[derive(Clone, Args)]
pub struct ServerOptions {
    /// The server's address.
    #[arg(
        long,
        env = "POSTHORN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:5000"
    )]
    pub url: String,
    /// A bearer token. An option would show it to every user of the machine.
    #[arg(long, env = "POSTHORN_TOKEN", hide = true, hide_env_values = true)]
    pub token: Option<String>,
}

/// Shows no token, and no password in an address.
impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions").finish_non_exhaustive()
    }
}

/// A text, unless it looks like an option that was mistyped: it would be sent in its place.
fn message_text(text: &str) -> Result<String, &'static str> {
    if text.starts_with("--") {
        return Err("there is no such option; a text that begins like one comes after `--`");
    }
    Ok(text.to_owned())
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
