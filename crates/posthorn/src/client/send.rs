//! `posthorn send`: one message, once, however often it has to be tried.

use std::time::Duration;

use posthorn_application::Clock;
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::backoff::Backoff;
use super::{ClientError, Server, explain, may_succeed_later, retry_after, transport};

/// The bound on one try.
const TRY_TIMEOUT: Duration = Duration::from_secs(15);

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct SendRequest {
    /// The text.
    pub(crate) text: String,
    /// Where it goes; the server's inbox when `None`.
    pub(crate) topic: Option<String>,
    /// What else to say about it.
    pub(crate) attributes: Vec<(String, String)>,
    /// By what a retry is recognised; a new UUID of version 7 when `None`.
    pub(crate) idempotency_key: Option<String>,
    /// How long to go on trying.
    pub(crate) retry_for: Duration,
}

/// What became of one try.
enum Outcome {
    Receipt(Value),
    Refused(String),
    Again {
        reason: String,
        asked: Option<Duration>,
    },
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
    let body = body(request);
    let deadline = clock.monotonic().saturating_add(request.retry_for);
    let mut backoff = Backoff::default();
    loop {
        match attempt(&client, &endpoint, &key, &body).await {
            Outcome::Receipt(receipt) => return Ok(receipt),
            Outcome::Refused(reason) => return Err(ClientError::Refused(reason)),
            Outcome::Again { reason, asked } => {
                let wait = backoff.next(asked);
                if clock.monotonic().saturating_add(wait) > deadline {
                    return Err(ClientError::GaveUp(request.retry_for, reason));
                }
                clock.sleep(wait).await;
            }
        }
    }
}

async fn attempt(client: &reqwest::Client, endpoint: &Url, key: &str, body: &Value) -> Outcome {
    let again = |error: &reqwest::Error| Outcome::Again {
        reason: transport(error),
        asked: None,
    };
    let sent = client
        .post(endpoint.clone())
        .timeout(TRY_TIMEOUT)
        .header("Idempotency-Key", key)
        .json(body)
        .send()
        .await;
    let response = match sent {
        Ok(response) => response,
        Err(error) if error.is_builder() => return Outcome::Refused(transport(&error)),
        Err(error) => return again(&error),
    };
    let status = response.status();
    if status.is_success() {
        return response
            .json()
            .await
            .map_or_else(|error| again(&error), Outcome::Receipt);
    }
    let asked = retry_after(&response);
    let reason = explain(response).await;
    if may_succeed_later(status) {
        Outcome::Again { reason, asked }
    } else {
        Outcome::Refused(reason)
    }
}

fn body(request: &SendRequest) -> Value {
    let mut body = Map::from_iter([("message".to_owned(), json!(request.text))]);
    if let Some(topic) = &request.topic {
        body.insert("topic".to_owned(), json!(topic));
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
