//! `posthorn token`: issuing, inspecting and revoking bearer tokens.

mod revoke;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use posthorn_application::{Claims, Clock, MAX_TOKEN_BYTES, TokenVerifier};
use posthorn_domain::{Scope, Scopes, Subject, Timestamp, TokenId, TopicPattern};
use posthorn_jwt::{JwtTokens, NewToken};

use crate::cli::TokenCommand;
use crate::compose::access;
use crate::config::{self, Settings, Sources};
use crate::run::{BAD_CONFIGURATION, fail, print, read_input, refuse};
use crate::system_clock::SystemClock;
use revoke::Target;

/// What all commands say without a key.
const NO_KEY: &str = "SECRET_KEY is not set: tokens are signed with the server's key. A server \
    without one makes its own at random, which nobody else knows. Set the same SECRET_KEY (or \
    SECRET_KEY_FILE) for the server and here";

/// Runs one of the commands.
pub(crate) fn run(sources: &Sources, command: TokenCommand) -> ExitCode {
    let settings = match config::load(sources) {
        Ok(loaded) => loaded.settings,
        Err(errors) => return refuse(&errors, BAD_CONFIGURATION),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    match command {
        TokenCommand::Inspect { token } => inspect(&settings, &clock, &token),
        _ if settings.secret.key_is_random => {
            fail(NO_KEY);
            ExitCode::from(BAD_CONFIGURATION)
        }
        TokenCommand::Issue {
            sub,
            scope,
            topics,
            ttl,
        } => {
            let tokens = access::tokens(&settings, &clock);
            let scopes = scope.into_iter().flat_map(|list| list.0);
            match issue(&tokens, sub, scopes, topics, ttl) {
                Ok(token) => print(&format!("{token}\n")),
                Err(error) => fail(&error),
            }
        }
        TokenCommand::Revoke { token, ttl, url } => {
            let target = given(token).and_then(|text| Target::parse(&text, ttl, &*clock));
            match target.and_then(|target| revoke::revoke(&settings, &clock, url, &target)) {
                Ok(text) => print(&format!("{text}\n")),
                Err(error) => fail(&error),
            }
        }
    }
}

/// A new token with an id of its own.
fn issue(
    tokens: &JwtTokens,
    subject: Subject,
    scopes: impl IntoIterator<Item = Scope>,
    topics: Vec<TopicPattern>,
    ttl: Duration,
) -> Result<String, String> {
    let id = uuid::Uuid::now_v7().to_string();
    let token = NewToken {
        id: TokenId::parse(&id).map_err(|error| error.to_string())?,
        subject,
        scopes: scopes.into_iter().collect::<Scopes>(),
        topics,
        ttl,
    };
    tokens.issue(&token).map_err(|error| error.to_string())
}

fn inspect(settings: &Settings, clock: &Arc<dyn Clock>, token: &str) -> ExitCode {
    let token = match given(token.to_owned()) {
        Ok(token) => token,
        Err(error) => return fail(&error),
    };
    let claims = match posthorn_jwt::peek(&token) {
        Ok(claims) => claims,
        Err(error) => return fail(&error.to_string()),
    };
    let verdict = if settings.secret.key_is_random {
        Err("SECRET_KEY is not set here, so that the signature cannot be checked".to_owned())
    } else {
        let verified = access::tokens(settings, clock).verify(&token);
        verified.map(drop).map_err(|error| error.to_string())
    };
    let shown = print(&describe(&claims, verdict.as_ref().err()));
    if verdict.is_ok() {
        shown
    } else {
        ExitCode::FAILURE
    }
}

fn describe(claims: &Claims, error: Option<&String>) -> String {
    let topics: Vec<_> = claims.topics.iter().map(TopicPattern::as_str).collect();
    let valid = match error {
        None => "yes; whether it was revoked, only a server can tell".to_owned(),
        Some(error) => format!("no: {error}"),
    };
    format!(
        "jti      {}\nsub      {}\nscope    {}\ntopics   {}\nexpires  {}\nvalid    {valid}\n",
        claims.id,
        claims.subject,
        claims.scopes,
        topics.join(" "),
        rfc3339(claims.expires_at),
    )
}

fn rfc3339(moment: Timestamp) -> String {
    let since_epoch = Duration::from_millis(moment.as_millis());
    // What the text has no room for is far beyond the longest lifetime.
    match UNIX_EPOCH.checked_add(since_epoch) {
        Some(time) if moment.as_millis() < 253_402_300_800_000 => {
            humantime::format_rfc3339_seconds(time).to_string()
        }
        _ => "after the year 9999".to_owned(),
    }
}

/// The argument, or standard input for `-`.
fn given(argument: String) -> Result<String, String> {
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
