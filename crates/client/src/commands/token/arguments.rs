//! The arguments of `posthorn token`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use posthorn_domain::{MAX_TOKEN_LIFETIME, Scope, ScopeError, Subject, TopicPattern};

/// A token command. Tokens are signed with the `SECRET_KEY` of the configuration.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Print a new token.
    Issue {
        /// The subject that the token identifies.
        #[arg(long, value_name = "SUBJECT")]
        sub: Subject,
        /// The permitted actions: messages:read, messages:write, messages:delete, messages:consume,
        /// consumers:manage, webhooks:manage, tokens:revoke. Separate several by commas or spaces, or repeat the option.
        #[arg(long, value_name = "SCOPE", required = true)]
        scope: Vec<ScopeList>,
        /// The permitted topics; `*` matches any characters. Several as for scopes.
        #[arg(long, value_name = "PATTERN", default_value = "*", value_delimiter = ',', value_parser = TopicPattern::parse)]
        topics: Vec<TopicPattern>,
        /// The lifetime, at most 365d.
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime)]
        ttl: Duration,
    },
    /// Print the claims of a token, and whether it is valid.
    Inspect {
        /// The token; `-` reads it from standard input. An argument is visible to every user of the
        /// machine.
        #[arg(env = "POSTHORN_TOKEN", hide_env_values = true)]
        token: String,
    },
    /// Revoke a token. Every server rejects it within 5 seconds.
    Revoke {
        /// The token's id (`jti`), or the token; `-` reads it from standard input.
        #[arg(value_name = "JTI")]
        token: String,
        /// The address of the server; by default the server configured here. If it cannot be reached, the
        /// revocation is written to the store, but not to a file for a server of another machine.
        #[arg(long, env = "POSTHORN_URL", hide_env_values = true)]
        url: Option<String>,
    },
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

/// The scopes in one argument.
#[derive(Clone, Debug)]
pub struct ScopeList(pub Vec<Scope>);

impl FromStr for ScopeList {
    type Err = ScopeError;

    /// A text without a name is rejected as an empty name is.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split([',', ' ']).filter(|name| !name.is_empty());
        let scopes: Vec<_> = names.map(str::parse).collect::<Result<_, _>>()?;
        if scopes.is_empty() {
            return "".parse().map(|scope| Self(vec![scope]));
        }
        Ok(Self(scopes))
    }
}

/// Parses the lifetime of a token.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = humantime::parse_duration(text).ok();
    let lifetime = lifetime.filter(|length| !length.is_zero() && *length <= MAX_TOKEN_LIFETIME);
    lifetime.ok_or_else(|| {
        let days = MAX_TOKEN_LIFETIME.as_secs() / 86_400;
        format!("a token lives from 1 second to {days} days, such as 12h or 30d")
    })
}
