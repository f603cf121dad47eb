//! `posthorn healthcheck`: the health command of a container.

use std::process::ExitCode;

use posthorn_client::fail;
use posthorn_config::Sources;

use crate::exit::fail_configuration;
use crate::runtime;

/// Requests the probe at `url`, by default the readiness of the server configured here.
pub(super) fn run(sources: &Sources, url: Option<String>) -> ExitCode {
    let url = match url {
        Some(url) => url,
        None => match posthorn_config::load(sources) {
            Ok(loaded) => format!("{}/health/ready", loaded.settings.listen.local_url()),
            Err(errors) => return fail_configuration(&errors, 1),
        },
    };
    let outcome = match runtime::build() {
        Ok(runtime) => runtime.block_on(posthorn_client::check_health(&url)),
        Err(error) => Err(error.to_string()),
    };
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}
