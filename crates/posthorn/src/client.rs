//! The client commands: `posthorn send` and `posthorn tail`, against any server.

mod backoff;
mod event_stream;
mod notices;
mod revoke;
mod send;
mod tail;

use std::time::Duration;

use reqwest::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub(crate) use revoke::revoke;
pub(crate) use send::{SendRequest, send};
pub(crate) use tail::{TailRequest, tail};

/// The bound on opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// What the client calls itself.
const USER_AGENT: &str = concat!("posthorn/", env!("CARGO_PKG_VERSION"));

/// Which server to talk to, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    url: Url,
    token: Option<SecretString>,
}

/// Why a command failed for good. The texts are for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server's address does not do.
    #[error("POSTHORN_URL: `{0}` is not the address of a server: {1}")]
    Address(String, String),
    /// What this option gives cannot be sent.
    #[error("{0}: it is made of visible ASCII characters")]
    Header(&'static str),
    /// The token does not do; its text is not repeated.
    #[error("POSTHORN_TOKEN: a token is visible ASCII")]
    Token,
    /// The server refused, and would refuse again.
    #[error("the server refused: {0}")]
    Refused(String),
    /// A stream was asked for, and the answer is something else.
    #[error(
        "the server answered {0} with `{1}` in place of an event stream: is POSTHORN_URL its address?"
    )]
    NoStream(u16, String),
    /// The answer to a message is no receipt.
    #[error("the server answered, but not with a receipt: is POSTHORN_URL its address?")]
    NoReceipt,
    /// Nothing helped in the time that was given.
    #[error("gave up after {0:?}: {1}")]
    GaveUp(Duration, String),
    /// There is no server.
    #[error("no server answers at {0}: {1}")]
    Unreachable(String, String),
    /// The client cannot be set up, or its input or output failed.
    #[error("{0}")]
    Local(String),
}

/// What of a problem document a person wants to read.
#[derive(Debug, Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<FieldProblem>,
}

#[derive(Debug, Deserialize)]
struct FieldProblem {
    field: String,
    message: String,
}

impl Server {
    /// The server at `url`, with a bearer token if there is one.
    pub(crate) fn new(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        let refused = |reason: String| ClientError::Address(shown(url).to_owned(), reason);
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !["http", "https"].contains(&scheme.to_lowercase().as_str()) {
            return Err(refused("it starts with http:// or https://".to_owned()));
        }
        let mut parsed = Url::parse(url).map_err(|error| refused(error.to_string()))?;
        // A path without a slash at its end would lose its last part when joined.
        if !parsed.path().ends_with('/') {
            parsed.set_path(&format!("{}/", parsed.path()));
        }
        let token = token
            .filter(|token| !token.is_empty())
            .map(SecretString::from);
        Ok(Self { url: parsed, token })
    }

    fn endpoint(&self, path: &str) -> Result<Url, ClientError> {
        self.url
            .join(path)
            .map_err(|error| ClientError::Local(error.to_string()))
    }

    /// A client that gives up a connection which is silent for longer than `silence`.
    fn client(&self, silence: Option<Duration>) -> Result<reqwest::Client, ClientError> {
        install_tls();
        // The server's words stand among our own.
        let mut headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static("en"))]);
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {}", token.expose_secret());
            let mut value = HeaderValue::from_str(&bearer).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let builder = reqwest::Client::builder();
        let builder = match silence {
            Some(silence) => builder.read_timeout(silence),
            None => builder,
        };
        builder
            .redirect(Policy::custom(redirect))
            .connect_timeout(CONNECT_TIMEOUT)
            .default_headers(headers)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| ClientError::Local(error.to_string()))
    }
}

/// What may be shown of an address: a password may stand before the last `@`.
pub(crate) fn shown(url: &str) -> &str {
    url.rsplit('@').next().unwrap_or_default()
}

/// The value of a header that `name` on the command line gives.
fn header(name: &'static str, text: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(text).map_err(|_| ClientError::Header(name))
}

/// Follows a redirect that keeps the method: of another a POST would become a GET.
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

/// Chooses the cryptography of TLS for this process.
pub(crate) fn install_tls() {
    // Only the first call installs it; the later ones find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Why a try failed that may succeed later.
#[derive(Debug)]
struct Failure {
    reason: String,
    /// How long to wait at least.
    asked: Option<Duration>,
}

impl Failure {
    /// Of a request that got no answer. One that cannot even be written never will.
    fn of_transport(error: &reqwest::Error) -> Result<Self, ClientError> {
        let reason = transport(error);
        if error.is_builder() {
            return Err(ClientError::Local(reason));
        }
        let asked = None;
        Ok(Self { reason, asked })
    }

    /// Of an answer that is no success. What the client did wrong stays wrong.
    async fn of_answer(response: Response) -> Result<Self, ClientError> {
        let status = response.status();
        let asked = retry_after(&response);
        let reason = explain(response).await;
        if may_succeed_later(status) {
            Ok(Self { reason, asked })
        } else {
            Err(ClientError::Refused(reason))
        }
    }
}

/// Whether the same request may succeed later.
fn may_succeed_later(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// How long the server asks us to wait.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?;
    value
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// What went wrong, in the server's words where it has any.
async fn explain(response: Response) -> String {
    let status = response.status();
    let location = response.headers().get(LOCATION);
    let place = match (status, location.and_then(|place| place.to_str().ok())) {
        // The address of the server is wrong, since what is asked for is there.
        (StatusCode::NOT_FOUND, _) => format!(" at {}", response.url()),
        (StatusCode::UNAUTHORIZED, _) => " for POSTHORN_TOKEN".to_owned(),
        (status, Some(place)) if status.is_redirection() => format!(" to {place}"),
        _ => String::new(),
    };
    let Ok(problem) = response.json::<Problem>().await else {
        return format!("{status}{place}");
    };
    let code = problem.code.as_deref().unwrap_or("error");
    let mut text = format!("{} {code}{place}", status.as_u16());
    let fields = problem.errors.iter();
    let fields: Vec<_> = fields
        .map(|f| format!("{}: {}", f.field, f.message))
        .collect();
    if let Some(detail) = problem.detail.filter(|_| fields.is_empty()) {
        text.push_str(&format!(": {detail}"));
    } else if !fields.is_empty() {
        // The detail says no more than that these are wrong.
        text.push_str(&format!(": {}", fields.join(" ")));
    }
    if let Some(id) = problem.request_id {
        text.push_str(&format!(" (request {id})"));
    }
    text
}

/// An error of the transport with all its causes: the outermost alone says too little.
pub(crate) fn transport(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
