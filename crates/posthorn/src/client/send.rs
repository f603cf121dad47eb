//! `posthorn send`: one message, once, however often it has to be tried.

use std::time::Duration;

use posthorn_application::Clock;
use posthorn_domain::Topic;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::backoff::Backoff;
use super::notices::Notices;
use super::{ClientError, Failure, Server, header};

/// The bound on one try.
const TRY_TIMEOUT: Duration = Duration::from_secs(15);

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct SendRequest {
    /// The text.
    pub(crate) text: String,
    /// Where it goes; the server's inbox when `None`.
    pub(crate) topic: Option<Topic>,
    /// What else to say about it.
    pub(crate) attributes: Vec<(String, String)>,
    /// By what a retry is recognised; a new UUID of version 7 when `None`.
    pub(crate) idempotency_key: Option<String>,
    /// How long to go on trying.
    pub(crate) retry_for: Duration,
}

/// Sends a message and gives the receipt. Every try carries the same idempotency key, so that the
/// message is stored once even when an answer was lost.
pub(crate) async fn send(
    server: &Server,
    request: &SendRequest,
    clock: &dyn Clock,
) -> Result<Value, ClientError> {
    let client = server.client(None)?;
    let endpoint = server.endpoint("api/v1/message")?;
    let key = request.idempotency_key.clone();
    let key = key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let key = header("--idempotency-key", &key)?;
    let body = body(request);
    let deadline = clock.monotonic().saturating_add(request.retry_for);
    let mut backoff = Backoff::default();
    let mut notices = Notices::default();
    loop {
        let failure = match attempt(&client, &endpoint, &key, &body).await? {
            Ok(receipt) => return Ok(receipt),
            Err(failure) => failure,
        };
        let wait = backoff.next(failure.asked);
        if clock.monotonic().saturating_add(wait) > deadline {
            return Err(ClientError::GaveUp(request.retry_for, failure.reason));
        }
        notices.failed(&failure.reason);
        clock.sleep(wait).await;
    }
}

/// One try; the outer error is for good.
async fn attempt(
    client: &reqwest::Client,
    endpoint: &Url,
    key: &HeaderValue,
    body: &Value,
) -> Result<Result<Value, Failure>, ClientError> {
    let sent = client
        .post(endpoint.clone())
        .timeout(TRY_TIMEOUT)
        .header("Idempotency-Key", key.clone())
        .json(body)
        .send()
        .await;
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Failure::of_transport(&error).map(Err),
    };
    if !response.status().is_success() {
        return Failure::of_answer(response).await.map(Err);
    }
    match response.json::<Value>().await {
        Ok(receipt) if receipt.get("id").is_some_and(Value::is_string) => Ok(Ok(receipt)),
        Ok(_) => Err(ClientError::NoReceipt),
        Err(error) => Failure::of_transport(&error).map(Err),
    }
}

fn body(request: &SendRequest) -> Value {
    let mut body = Map::from_iter([("message".to_owned(), json!(request.text))]);
    if let Some(topic) = &request.topic {
        body.insert("topic".to_owned(), json!(topic.as_str()));
    }
    if !request.attributes.is_empty() {
        let entries = request.attributes.iter();
        let map: Map<_, _> = entries
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        body.insert("attributes".to_owned(), Value::Object(map));
    }
    Value::Object(body)
}
