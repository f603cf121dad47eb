//! `posthorn token`: issues, inspects and revokes bearer tokens.

mod arguments;
mod authority;
mod inspect;
mod revoke;

use std::process::ExitCode;

use posthorn_domain::MAX_TOKEN_BYTES;

use crate::address;
use crate::console::{fail, fail_call, print, read_input};
use crate::error::ClientError;
pub use arguments::TokenCommand;
pub use authority::TokenAuthority;

/// What gives the address of a server.
const URL_ORIGIN: &str = "--url or POSTHORN_URL";

impl TokenCommand {
    /// True if the command signs a token, which needs the key of the server.
    pub const fn needs_key(&self) -> bool {
        !matches!(self, Self::Inspect { .. })
    }

    /// Checks the address of the server, which needs no configuration.
    ///
    /// # Errors
    /// The address is invalid.
    pub fn check_address(&self) -> Result<(), ClientError> {
        let Self::Revoke { url: Some(url), .. } = self else {
            return Ok(());
        };
        address::parse(url)
            .map(drop)
            .map_err(|error| ClientError::Argument {
                origin: URL_ORIGIN,
                reason: error.to_string(),
            })
    }

    /// Runs the command and prints its output, or why it failed. A revocation is sent to the server at
    /// `local_url`, unless the arguments name another. The process must have installed a default
    /// rustls provider.
    pub async fn run(self, authority: &impl TokenAuthority, local_url: &str) -> ExitCode {
        let outcome = match self {
            Self::Issue {
                sub,
                scope,
                topics,
                ttl,
            } => {
                let scopes = scope.into_iter().flat_map(|list| list.0).collect();
                let issued = authority.issue(sub, scopes, topics, ttl);
                issued.map_err(ClientError::Local)
            }
            Self::Inspect { token } => {
                return token_argument(token).map_or_else(
                    |error| fail(&error),
                    |token| inspect::run(authority, &token),
                );
            }
            Self::Revoke { token, url } => {
                let (is_argument, argument) = (token != "-", token_argument(token));
                let target = argument.and_then(|token| revoke::target(authority, &token));
                let server = match url.as_deref() {
                    Some(url) => (url, URL_ORIGIN),
                    None => (local_url, "HOST and PORT"),
                };
                match target {
                    Ok(target) => revoke::run(authority, &target, server).await,
                    Err(reason) if is_argument => {
                        let origin = "JTI";
                        Err(ClientError::Argument { origin, reason })
                    }
                    Err(error) => Err(ClientError::Local(error)),
                }
            }
        };
        match outcome {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => fail_call(&error),
        }
    }
}

/// The argument, or standard input for `-`.
fn token_argument(argument: String) -> Result<String, String> {
    let text = if argument == "-" {
        read_input()?
    } else {
        argument
    };
    let text = text.trim();
    if text.len() > MAX_TOKEN_BYTES {
        return Err(format!("a token has at most {MAX_TOKEN_BYTES} bytes"));
    }
    Ok(text.to_owned())
}
