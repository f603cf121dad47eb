//! `posthorn token inspect`: prints the claims of a token, and whether it is valid.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use posthorn_application::{Claims, Clock, TokenVerifier};
use posthorn_client::{fail, print};
use posthorn_config::Settings;
use posthorn_domain::{Timestamp, TopicPattern};

use crate::compose::access;

/// The first moment whose RFC 3339 text would need a year of five digits, in milliseconds.
const YEAR_10000: u64 = 253_402_300_800_000;

/// Prints the claims; the exit code is 1 if the token is invalid or cannot be checked.
pub(super) fn run(settings: &Settings, clock: &Arc<dyn Clock>, token: &str) -> ExitCode {
    let claims = match posthorn_jwt::peek(token) {
        Ok(claims) => claims,
        Err(error) => return fail(&error),
    };
    let validity = if settings.secret.key_is_random() {
        Err("SECRET_KEY is not set here, so that the signature cannot be checked".to_owned())
    } else {
        let verified = access::tokens(settings, clock).verify(token);
        verified.map(drop).map_err(|error| error.to_string())
    };
    let printed = print(&describe(&claims, validity.as_ref().err()));
    if validity.is_ok() {
        printed
    } else {
        ExitCode::FAILURE
    }
}

fn describe(claims: &Claims, error: Option<&String>) -> String {
    let topics: Vec<_> = claims.topics.iter().map(TopicPattern::as_str).collect();
    let valid = match error {
        None => "yes, unless it was revoked, which only a server can check".to_owned(),
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
    match UNIX_EPOCH.checked_add(since_epoch) {
        Some(time) if moment.as_millis() < YEAR_10000 => {
            humantime::format_rfc3339_seconds(time).to_string()
        }
        _ => "after the year 9999".to_owned(),
    }
}
