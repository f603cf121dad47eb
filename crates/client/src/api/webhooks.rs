//! `/api/v1/topics/{topic}/webhooks`: what only webhooks have.

use std::collections::BTreeMap;

use posthorn_domain::ConsumerKey;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::{ApiClient, call, read_json};
use super::consumers::{ConsumerResource, WriteCondition, path};
use crate::error::ClientError;

/// The settings of a webhook to create or to replace. The server checks them; it applies its
/// defaults for what is absent, and keeps an absent secret.
#[derive(Clone, Serialize)]
pub struct WebhookDraft {
    /// The URL that receives the messages.
    pub url: String,
    /// The secret that signs the messages, `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Where a new webhook starts: `oldest`, `newest`, a message id or an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The delays before the attempts 2, 3, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_seconds: Option<Vec<f64>>,
    /// The time limit of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// The most attempts at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// The most attempts per second and process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// The body: `standard` or `cloudevents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Headers that are added to each attempt.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl ApiClient {
    /// Creates a webhook, or replaces the settings of an existing one. Only the response to a
    /// creation contains a secret that the server generated.
    pub async fn put_webhook(
        &self,
        webhook: &ConsumerKey,
        draft: &WebhookDraft,
        condition: Option<&WriteCondition>,
    ) -> Result<ConsumerResource, ClientError> {
        self.put(webhook, draft, condition).await
    }

    /// Generates a new secret and returns it. The old secret signs, too, for `grace_seconds`.
    pub async fn rotate_webhook_secret(
        &self,
        webhook: &ConsumerKey,
        grace_seconds: Option<f64>,
    ) -> Result<Value, ClientError> {
        let body = grace_seconds.map_or(json!({}), |grace| json!({ "grace_seconds": grace }));
        self.post_webhook(webhook, "/rotate-secret", &body).await
    }

    /// Enables a disabled webhook and returns it.
    pub async fn enable_webhook(&self, webhook: &ConsumerKey) -> Result<Value, ClientError> {
        self.post_webhook(webhook, "/enable", &json!({})).await
    }

    /// Sends one signed request that is not a message; returns its status, time and error.
    pub async fn test_webhook(&self, webhook: &ConsumerKey) -> Result<Value, ClientError> {
        self.post_webhook(webhook, "/test", &json!({})).await
    }

    /// Queues the messages between two ids or times, both included, again; returns their number.
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
        self.post_webhook(webhook, "/replay", &body).await
    }

    /// Returns the last attempts, newest first.
    pub async fn webhook_attempts(&self, webhook: &ConsumerKey) -> Result<Value, ClientError> {
        let url = self.url(&path(webhook, "/attempts"))?;
        read_json(call(self.http.get(url)).await?, "attempts").await
    }

    async fn post_webhook(
        &self,
        webhook: &ConsumerKey,
        action: &str,
        body: &Value,
    ) -> Result<Value, ClientError> {
        let url = self.url(&path(webhook, action))?;
        let response = call(self.http.post(url).json(body)).await?;
        read_json(response, "the result for a webhook").await
    }
}
