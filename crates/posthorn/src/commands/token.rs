//! `posthorn token`: issues, inspects and revokes bearer tokens.

mod inspect;
mod issue;
mod revoke;

use std::process::ExitCode;
use std::sync::Arc;

use posthorn_application::{Clock, MAX_TOKEN_BYTES};
use posthorn_client::{fail, print};
use posthorn_config::Sources;
use posthorn_system::SystemClock;

use crate::cli::TokenCommand;
use crate::compose::access;
use crate::exit::{BAD_CONFIGURATION, fail_configuration};

/// The error of the commands that need a key.
const NO_KEY: &str = "SECRET_KEY is not set, and the store has no development key beside it. Set the \
    same SECRET_KEY (or SECRET_KEY_FILE) for the server and here. Outside production a server with a \
    `file:` store makes a key at its first start, which is used here with the same STORE_URL";

/// Runs a token command.
pub(super) fn run(sources: &Sources, command: TokenCommand) -> ExitCode {
    let mut settings = match posthorn_config::load(sources) {
        Ok(loaded) => loaded.settings,
        Err(errors) => return fail_configuration(&errors, BAD_CONFIGURATION),
    };
    let store = &settings.store.store_url;
    if let Err((path, error)) = settings.secret.read_development_key(store) {
        return fail(&format!("SECRET_KEY: {}: {error}", path.display()));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let outcome = match command {
        TokenCommand::Inspect { token } => {
            return token_argument(token).map_or_else(
                |error| fail(&error),
                |token| inspect::run(&settings, &clock, &token),
            );
        }
        _ if settings.secret.key_is_random() => {
            fail(&NO_KEY);
            return ExitCode::from(BAD_CONFIGURATION);
        }
        TokenCommand::Issue {
            sub,
            scope,
            topics,
            ttl,
        } => {
            let scopes = scope.into_iter().flat_map(|list| list.0);
            issue::issue(&access::tokens(&settings, &clock), sub, scopes, topics, ttl)
        }
        TokenCommand::Revoke { token, ttl, url } => token_argument(token)
            .and_then(|text| revoke::Target::parse(&text, ttl, &*clock))
            .and_then(|target| revoke::revoke(&settings, &clock, url, &target)),
    };
    match outcome {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => fail(&error),
    }
}

/// The argument, or standard input for `-`.
fn token_argument(argument: String) -> Result<String, String> {
    let text = if argument == "-" {
        posthorn_client::read_input()?
    } else {
        argument
    };
    let text = text.trim();
    if text.len() > MAX_TOKEN_BYTES {
        return Err(format!("a token has at most {MAX_TOKEN_BYTES} bytes"));
    }
    Ok(text.to_owned())
}
