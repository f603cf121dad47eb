//! The health command of a container: asks a server whether it is ready.

use std::time::Duration;

use crate::config::Settings;

/// The bound on the whole question.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The readiness probe of the server that `settings` configure.
pub(crate) fn default_url(settings: &Settings) -> String {
    format!("{}/health/ready", base_url(settings))
}

/// Where the server that `settings` configure is reached from this machine.
pub(crate) fn base_url(settings: &Settings) -> String {
    // A server that listens everywhere is asked over the loopback.
    let host = match settings.listen.host.as_str() {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" | "[::]" => "[::1]".to_owned(),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("http://{host}:{}", settings.listen.port)
}

/// Asks `url` once; any answer but a 2xx is a failure, which the text explains.
pub(crate) async fn check(url: &str) -> Result<(), String> {
    crate::client::install_tls();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    // The library's texts name the address, without a password that it may hold.
    let answer = client.get(url).send().await;
    let answer = answer.map_err(|error| crate::client::transport(&error))?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("{}: {}", answer.url(), answer.status()))
    }
}
