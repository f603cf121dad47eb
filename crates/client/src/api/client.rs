//! The client of one server, and what its calls share.

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{RequestBuilder, Response, Url};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use crate::address;
use crate::error::ClientError;
use crate::problem::{convert_items_response, convert_response};
use crate::response::read_body;
use crate::transport::{self, READ_TIMEOUT, RequestedServer};

/// The time limit of one call, from the connection to the end of the body.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one server. Its methods try once; [`Retry`](crate::Retry) repeats them.
#[derive(Clone, Debug)]
pub struct ApiClient {
    base: Url,
    token: Option<SecretString>,
    /// What gave the address.
    origin: Option<&'static str>,
    pub(super) http: reqwest::Client,
}

impl ApiClient {
    /// A client of the server at `address`, with a bearer token if it is not empty. The process
    /// must have installed a default rustls provider.
    ///
    /// # Errors
    /// The address or the token is invalid.
    pub fn new(address: &str, token: Option<String>) -> Result<Self, ClientError> {
        let token = token
            .filter(|token| !token.is_empty())
            .map(SecretString::from);
        let base = address::parse(address)?;
        let is_loopback = address::is_loopback(&base);
        let http = transport::build(token.as_ref(), is_loopback, READ_TIMEOUT)?;
        Ok(Self {
            base,
            token,
            origin: None,
            http,
        })
    }

    /// Names the option, the variable or the settings that gave the address in the text of errors.
    #[must_use]
    pub(crate) fn with_origin(mut self, origin: &'static str) -> Self {
        self.origin = Some(origin);
        self
    }

    /// An HTTP client for a call during which the server may be silent for `limit`.
    pub(super) fn http_within(&self, limit: Duration) -> Result<reqwest::Client, ClientError> {
        transport::build(self.token.as_ref(), address::is_loopback(&self.base), limit)
    }

    /// The URL of a path below `/api/v1`.
    pub(super) fn url(&self, path: &str) -> Result<Url, ClientError> {
        self.base
            .join(&format!("api/v1/{path}"))
            .map_err(ClientError::local)
    }

    /// Sends a request within the time limit of a call; a response that is not a success is an error.
    pub(super) async fn call(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        self.send(request.timeout(CALL_TIMEOUT)).await
    }

    /// As [`ApiClient::call`], for a list of items: `item_name` names an item, by its index, in the text of an
    /// error.
    pub(super) async fn call_for_items(
        &self,
        request: RequestBuilder,
        item_name: impl Fn(usize) -> String,
    ) -> Result<Response, ClientError> {
        let response = self.response(request.timeout(CALL_TIMEOUT)).await?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(convert_items_response(response, item_name).await)
        }
    }

    /// Sends a request; a response that is not a success is an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = self.response(request).await?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(convert_response(response).await)
        }
    }

    /// The response to a request, whatever its status.
    async fn response(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let server = RequestedServer {
            url: &self.base,
            origin: self.origin,
        };
        let response = request.send().await;
        response.map_err(|error| server.convert_error(&error))
    }
}

/// Reads a JSON body of the type that the route returns, which `expected` names.
pub(super) async fn read_json<T: DeserializeOwned>(
    response: Response,
    expected: &'static str,
) -> Result<T, ClientError> {
    let status = response.status();
    let body = read_body(response).await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::UnexpectedResponse {
        expected,
        found: format!("{status} and a body of another kind ({error})"),
    })
}

/// Converts the value of a header that `option` on the command line gives.
pub(super) fn header(option: &'static str, text: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(text).map_err(|_| ClientError::Header(option))
}
