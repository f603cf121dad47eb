//! The arguments that name the server of a command.

use std::fmt;

use clap::Args;

use crate::api::ApiClient;
use crate::error::ClientError;

/// The server of a command, and the token for it.
#[derive(Clone, Args)]
pub struct ServerArguments {
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
        ApiClient::new(&self.url, self.token.clone())
    }
}

/// Shows neither the token nor a password in the address.
impl fmt::Debug for ServerArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerArguments").finish_non_exhaustive()
    }
}
