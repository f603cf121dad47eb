//! The health command of a container: requests a probe once.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;

use crate::address;
use crate::console::{fail, fail_call};
use crate::error::ClientError;
use crate::transport::{RequestedServer, build_with, describe_error};

/// The time limit of the whole request.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The path of the readiness probe.
const READINESS: &str = "/health/ready";

/// Requests `url` once, without a proxy, a redirect or a token. An address without a path means its readiness
/// probe. It fails if the status is not 2xx, or if there was no response. `option` is the option that gives
/// the URL, if one does.
pub async fn check_health(url: &str, option: Option<&'static str>) -> ExitCode {
    let url = match (probe(url), option) {
        (Ok(url), _) => url,
        (Err(error), Some(origin)) => {
            let reason = error.to_string();
            return fail_call(&ClientError::Argument { origin, reason });
        }
        (Err(error), None) => return fail(&error),
    };
    let outcome = request(url, option.unwrap_or("HOST and PORT")).await;
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// As [`check_health`], and returns why it failed as a text for people.
pub async fn request_health(url: &str) -> Result<(), String> {
    let url = probe(url).map_err(|error| error.to_string())?;
    request(url, "HOST and PORT").await
}

/// The URL of a probe.
fn probe(text: &str) -> Result<Url, ClientError> {
    let base = address::parse(text)?;
    if base.path() == "/" && base.query().is_none() {
        return base.join(READINESS).map_err(ClientError::local);
    }
    // As it was given: the base has a slash at the end of its path.
    Url::parse(text).map_err(ClientError::local)
}

/// Requests a probe, whose address `origin` gave.
async fn request(url: Url, origin: &str) -> Result<(), String> {
    let client = build_with(|builder| builder.timeout(TIMEOUT).redirect(Policy::none()).no_proxy());
    let client = client.map_err(|error| describe_error(&error))?;
    let response = client.get(url.clone()).send().await;
    let server = RequestedServer {
        url: &url,
        origin: Some(origin),
    };
    let response = response.map_err(|error| server.describe_error(&error))?;
    // reqwest has taken the password out of the URL.
    if response.status().is_success() {
        Ok(())
    } else {
        Err(format!("{}: {}", response.url(), response.status()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_means_its_readiness() {
        for (given, expected) in [
            ("http://h:1", "http://h:1/health/ready"),
            ("http://h:1/", "http://h:1/health/ready"),
            ("http://h:1/health/live", "http://h:1/health/live"),
            ("http://h:1/inbox/", "http://h:1/inbox/"),
            ("http://h:1/?a=b", "http://h:1/?a=b"),
        ] {
            assert_eq!(probe(given).unwrap().as_str(), expected, "{given}");
        }
    }
}
