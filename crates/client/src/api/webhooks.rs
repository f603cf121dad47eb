//! `/api/v1/topics/{topic}/webhooks`: what only webhooks have.

use std::collections::BTreeMap;
use std::time::Duration;

use posthorn_domain::ConsumerKey;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::{ApiClient, CALL_TIMEOUT, read_json};
use super::consumers::{ConsumerResource, WriteCondition, path, read_consumer};
use crate::error::ClientError;

/// The longest `timeout_seconds` of a webhook.
const MAX_ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// The settings of a webhook to create or to replace. The server checks them; it applies its
/// defaults for what is absent, and keeps an absent secret.
#[derive(Clone, Serialize)]
pub struct WebhookDraft {
    /// The URL that receives the messages.
    pub url: String,
    /// The secret that signs the requests, `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Where a new webhook starts: `oldest`, `newest`, a message id or an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The waits before the attempts 2, 3, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_seconds: Option<Vec<f64>>,
    /// The time limit of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// The most attempts at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// The most attempts in a second, in each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// The form of the requests: `standard` or `cloudevents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The headers of the requests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// How much longer than any other call a server takes for a replay, at most.
const REPLAY_TIME: Duration = Duration::from_mins(1);

impl ApiClient {
    /// Creates a webhook, or replaces the settings of an existing one. Only the response to a
    /// creation contains a secret, if the server made it.
    pub async fn put_webhook(
        &self,
        webhook: &ConsumerKey,
        draft: &WebhookDraft,
        condition: Option<&WriteCondition>,
    ) -> Result<ConsumerResource, ClientError> {
        self.put(webhook, draft, condition).await
    }

    /// Makes a new secret; the response contains it. The old secret signs too, for `grace_seconds`.
    pub async fn rotate_webhook_secret(
        &self,
        webhook: &ConsumerKey,
        grace_seconds: Option<f64>,
    ) -> Result<ConsumerResource, ClientError> {
        let body = grace_seconds.map_or(json!({}), |grace| json!({ "grace_seconds": grace }));
        let url = self.url(&path(webhook, "/rotate-secret"))?;
        read_consumer(self.call(self.http.post(url).json(&body)).await?).await
    }

    /// Enables a disabled webhook and returns it.
    pub async fn enable_webhook(
        &self,
        webhook: &ConsumerKey,
    ) -> Result<ConsumerResource, ClientError> {
        let url = self.url(&path(webhook, "/enable"))?;
        read_consumer(self.call(self.http.post(url)).await?).await
    }

    /// Sends one signed request that is not a message; returns its status, time and error. Waits for
    /// the longest time limit that a webhook can have.
    pub async fn test_webhook(&self, webhook: &ConsumerKey) -> Result<Value, ClientError> {
        let url = self.url(&path(webhook, "/test"))?;
        let limit = CALL_TIMEOUT.saturating_add(MAX_ATTEMPT_TIMEOUT);
        let request = self.http_within(limit)?.post(url).timeout(limit);
        read_json(self.send(request).await?, "the outcome of a test").await
    }

    /// Queues the settled messages between two ids or times, both included; returns their number.
    pub async fn replay_webhook(
        &self,
        webhook: &ConsumerKey,
        from: &str,
        to: Option<&str>,
    ) -> Result<Value, ClientError> {
        let mut body = json!({ "from": from });
        if let (Some(to), Some(members)) = (to, body.as_object_mut()) {
            members.insert("to".to_owned(), json!(to));
        }
        let url = self.url(&path(webhook, "/replay"))?;
        let limit = CALL_TIMEOUT.saturating_add(REPLAY_TIME);
        let request = self.http_within(limit)?.post(url).json(&body);
        read_json(
            self.send(request.timeout(limit)).await?,
            "the outcome of a replay",
        )
        .await
    }

    /// Returns the last attempts, the newest first.
    pub async fn webhook_attempts(&self, webhook: &ConsumerKey) -> Result<Value, ClientError> {
        let url = self.url(&path(webhook, "/attempts"))?;
        read_json(self.call(self.http.get(url)).await?, "a list of attempts").await
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{ConsumerKind, ConsumerName, Topic};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// The paused clock moves to the next timer as soon as everything waits.
    #[tokio::test(start_paused = true)]
    async fn a_test_waits_for_the_longest_attempt() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let client = ApiClient::new(&address, None).unwrap();
        let webhook = ConsumerKey {
            topic: Topic::parse("jobs").unwrap(),
            kind: ConsumerKind::Webhook,
            name: ConsumerName::parse("hook").unwrap(),
        };
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            assert!(connection.read(&mut [0; 1_024]).await.unwrap() > 0);
            tokio::time::sleep(MAX_ATTEMPT_TIMEOUT).await;
            let response = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"status\":204}";
            connection.write_all(response.as_bytes()).await.unwrap();
            connection
        };
        let (outcome, _connection) = tokio::join!(client.test_webhook(&webhook), server);
        assert_eq!(outcome.unwrap(), json!({ "status": 204 }));
    }
}
