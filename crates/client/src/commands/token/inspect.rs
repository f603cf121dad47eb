//! `posthorn token inspect`: prints the claims of a token, and whether it is valid.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use posthorn_domain::{Claims, Timestamp, TopicPattern};

use super::authority::TokenAuthority;
use crate::console::{fail, print};

/// The first moment whose RFC 3339 text would need a year of five digits, in milliseconds.
const YEAR_10000: u64 = 253_402_300_800_000;

/// Prints the claims; the exit code is 1 if the token is invalid or cannot be checked.
pub(super) fn run(authority: &impl TokenAuthority, token: &str) -> ExitCode {
    let claims = match authority.peek(token) {
        Ok(claims) => claims,
        Err(error) => return fail(&error),
    };
    let validity = authority.verify(token);
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
