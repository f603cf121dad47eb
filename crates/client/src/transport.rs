//! The reqwest client: time limits, redirects, default headers, error texts.

use std::time::Duration;

use reqwest::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, Client, ClientBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{ClientError, RetryableError};

/// The time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit between two reads, other than of calls that the server holds for longer. A stream
/// carries a comment every 15 s, so that a silent one is dead.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(45);
const MAX_REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("posthorn/", env!("CARGO_PKG_VERSION"));

/// Builds a client that sends `token`, if there is one, with each request. The proxies of the
/// environment are ignored for a server on the loopback, which no proxy can reach.
pub(crate) fn build(
    token: Option<&SecretString>,
    is_loopback: bool,
    read_timeout: Duration,
) -> Result<Client, ClientError> {
    // Error texts of the server are printed among English ones.
    let mut headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static("en"))]);
    if let Some(token) = token {
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut value = HeaderValue::from_str(&bearer).map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let client = build_with(|builder| {
        let builder = if is_loopback {
            builder.no_proxy()
        } else {
            builder
        };
        builder
            .redirect(Policy::custom(redirect))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(read_timeout)
            .default_headers(headers.clone())
            .user_agent(USER_AGENT)
    });
    client.map_err(|error| ClientError::Local(describe_error(&error)))
}

/// Builds a client as `configure` says. A system without certificate authorities, or whose authorities cannot be read,
/// can use `http`; `https` then fails with the reason at each call.
pub(crate) fn build_with(
    configure: impl Fn(ClientBuilder) -> ClientBuilder,
) -> reqwest::Result<Client> {
    configure(Client::builder()).build().or_else(|_| {
        let no_roots = std::iter::empty::<Certificate>();
        configure(Client::builder())
            .tls_certs_only(no_roots)
            .build()
    })
}

/// Follows only redirects that keep the method: after the others a POST would become a GET.
fn redirect(attempt: Attempt<'_>) -> Action {
    let keeps_method = matches!(
        attempt.status(),
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    );
    if !keeps_method {
        attempt.stop()
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

/// The server of a request, for the text of an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestedServer<'a> {
    /// Its address.
    pub(crate) url: &'a Url,
    /// The option, the variable or the settings that gave the address, if that is known.
    pub(crate) origin: Option<&'a str>,
}

impl RequestedServer<'_> {
    /// As [`convert_error`], for a request to this server.
    pub(crate) fn convert_error(self, error: &reqwest::Error) -> ClientError {
        convert(error, self.describe_error(error))
    }

    /// Describes why there is no response. The text contains neither a path nor a password.
    pub(crate) fn describe_error(self, error: &reqwest::Error) -> String {
        let problem = match error {
            _ if error.is_builder() => return describe_error(error),
            _ if error.is_connect() => "cannot reach",
            _ if error.is_request() => "no response from",
            _ => return describe_error(error),
        };
        let given = self.url.origin();
        let failed = error.url().map_or_else(|| given.clone(), Url::origin);
        let origin = match self.origin {
            _ if failed != given => format!(", to which {} redirects", given.ascii_serialization()),
            Some(origin) => format!(" (from {origin})"),
            None => String::new(),
        };
        format!(
            "{problem} {}{origin}: {}",
            failed.ascii_serialization(),
            innermost_cause(error)
        )
    }
}

/// The cause below all others, which alone has information.
fn innermost_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let without_number = text.split(" (os error ").next();
    without_number.unwrap_or_default().to_owned()
}

/// Converts an error of reqwest. Only a request that could not be built will fail again.
pub(crate) fn convert_error(error: &reqwest::Error) -> ClientError {
    convert(error, describe_error(error))
}

fn convert(error: &reqwest::Error, reason: String) -> ClientError {
    if error.is_builder() {
        return ClientError::Local(reason);
    }
    ClientError::Retryable(RetryableError {
        is_unreachable: error.is_connect(),
        ..RetryableError::new(reason)
    })
}

/// The text of an error with all its causes: the outermost alone is too general.
pub(crate) fn describe_error(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
