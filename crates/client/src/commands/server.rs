//! The arguments that name the server of a command, and where they come from.

use std::fmt;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

use crate::api::ApiClient;
use crate::error::ClientError;

/// The server of a command, and the token for it.
#[derive(Clone)]
pub struct ServerArguments {
    given: GivenServer,
    /// What names the server: `--url`, `POSTHORN_URL` or nothing.
    url_origin: &'static str,
    /// What gives the token.
    token_origin: &'static str,
}

#[derive(Clone, Args)]
struct GivenServer {
    /// The address of the server.
    #[arg(
        long,
        global = true,
        env = "POSTHORN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:5000"
    )]
    url: String,
    /// A bearer token. As an argument it is visible to every user of the machine.
    #[arg(
        long,
        global = true,
        env = "POSTHORN_TOKEN",
        hide = true,
        hide_env_values = true
    )]
    token: Option<String>,
}

impl ServerArguments {
    /// A client of the server.
    pub(super) fn client(&self) -> Result<ApiClient, ClientError> {
        let client = ApiClient::new(&self.given.url, self.given.token.clone());
        let client = client.map(|client| client.with_origin(self.url_origin));
        client.map_err(|error| {
            let origin = match error {
                ClientError::Token => self.token_origin,
                ClientError::Address { .. } => self.url_origin,
                error => return error,
            };
            let reason = error.to_string();
            ClientError::Argument { origin, reason }
        })
    }

    /// Adds to an error of a call what in these arguments usually causes it.
    pub(super) fn explain(&self, error: ClientError) -> ClientError {
        let token = self.given.token.as_deref().unwrap_or_default();
        match error {
            ClientError::Rejected { status: 401, text } => {
                let cause = if token.is_empty() {
                    "POSTHORN_TOKEN is not set".to_owned()
                } else {
                    format!("the token is that of {}", self.token_origin)
                };
                let text = format!("{text}; {cause}");
                ClientError::Rejected { status: 401, text }
            }
            error @ ClientError::UnexpectedResponse { .. } => {
                let origin = self.url_origin;
                ClientError::Local(format!(
                    "{error}: is {origin} the address of a Posthorn server?"
                ))
            }
            error => error,
        }
    }
}

impl FromArgMatches for ServerArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let origin = |id, option, variable, default| match matches.value_source(id) {
            Some(ValueSource::CommandLine) => option,
            Some(ValueSource::EnvVariable) => variable,
            _ => default,
        };
        Ok(Self {
            given: GivenServer::from_arg_matches(matches)?,
            url_origin: origin("url", "--url", "POSTHORN_URL", "the default of --url"),
            token_origin: origin("token", "--token", "POSTHORN_TOKEN", "POSTHORN_TOKEN"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ServerArguments {
    fn augment_args(command: Command) -> Command {
        GivenServer::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        GivenServer::augment_args_for_update(command)
    }
}

/// Shows neither the token nor a password in the address.
impl fmt::Debug for ServerArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerArguments").finish_non_exhaustive()
    }
}
