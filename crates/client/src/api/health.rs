//! The health command of a container: requests a probe once.

use std::process::ExitCode;
use std::time::Duration;

use reqwest::redirect::Policy;

use crate::address;
use crate::console::{fail, fail_call};
use crate::error::ClientError;
use crate::transport::{build_with, describe_error};

/// The time limit of the whole request.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests `url` once, without a proxy, a redirect or a token. It fails if the status is not 2xx, or if
/// there was no response. `option` is the option that gives the URL, if one does.
pub async fn check_health(url: &str, option: Option<&'static str>) -> ExitCode {
    if let (Some(origin), Err(error)) = (option, address::parse(url)) {
        let reason = error.to_string();
        return fail_call(&ClientError::Argument { origin, reason });
    }
    let outcome = request_health(url).await;
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

/// As [`check_health`], and returns why it failed as a text for people.
pub async fn request_health(url: &str) -> Result<(), String> {
    address::parse(url).map_err(|error| error.to_string())?;
    let client = build_with(|builder| builder.timeout(TIMEOUT).redirect(Policy::none()).no_proxy());
    let client = client.map_err(|error| describe_error(&error))?;
    // The texts of reqwest contain the URL without its password.
    let response = client.get(url).send().await;
    let response = response.map_err(|error| describe_error(&error))?;
    if response.status().is_success() {
        Ok(())
    } else {
        Err(format!("{}: {}", response.url(), response.status()))
    }
}
