//! `…/pull`, `…/ack`, `…/nack`, `…/extend`: working off the messages of a consumer.

use std::time::Duration;

use posthorn_domain::{ConsumerKey, LeaseDuration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::{ApiClient, CALL_TIMEOUT, call, read_json, send};
use super::consumers::path;
use crate::error::ClientError;

/// A message that is handed out to this client until its lease ends.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReceivedMessage {
    /// The token of the lease.
    pub lease: String,
    /// The number of this attempt, from 1.
    pub attempt: u64,
    /// The id of the message.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// Its text.
    #[serde(rename = "message")]
    pub text: String,
    /// Its attributes.
    #[serde(default)]
    pub attributes: std::collections::BTreeMap<String, String>,
    /// The other members of the message.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The leases that a call settled or extended.
#[derive(Clone, Debug, Deserialize)]
pub struct SettleResult {
    /// How many leases were valid.
    pub settled: u64,
    /// The tokens of the leases that were not: expired, settled, or ended by the server.
    #[serde(default)]
    pub stale: Vec<String>,
}

#[derive(Deserialize)]
struct PulledMessages {
    messages: Vec<ReceivedMessage>,
}

impl ApiClient {
    /// Leases up to `max` messages, at most 200. Waits up to `wait`, at most 20 s, if none is due.
    pub async fn pull(
        &self,
        consumer: &ConsumerKey,
        max: usize,
        wait: Duration,
        lease: LeaseDuration,
    ) -> Result<Vec<ReceivedMessage>, ClientError> {
        let body = json!({
            "max": max,
            "wait_seconds": wait.as_secs(),
            "lease_seconds": seconds(lease),
        });
        let request = self.http.post(self.url(&path(consumer, "/pull"))?);
        let response = send(request.timeout(wait + CALL_TIMEOUT).json(&body)).await?;
        let pulled: PulledMessages = read_json(response, "leased messages").await?;
        Ok(pulled.messages)
    }

    /// Acknowledges messages: they are never handed out to this consumer again.
    pub async fn ack(
        &self,
        consumer: &ConsumerKey,
        leases: &[String],
    ) -> Result<SettleResult, ClientError> {
        self.settle(consumer, "/ack", json!({ "leases": leases }))
            .await
    }

    /// Gives messages up: each is handed out again after the backoff, or is dead after its last
    /// attempt.
    pub async fn nack(
        &self,
        consumer: &ConsumerKey,
        leases: &[String],
        reason: &str,
    ) -> Result<SettleResult, ClientError> {
        let body = json!({ "leases": leases, "reason": reason });
        self.settle(consumer, "/nack", body).await
    }

    /// Extends leases to `lease` from now.
    pub async fn extend(
        &self,
        consumer: &ConsumerKey,
        leases: &[String],
        lease: LeaseDuration,
    ) -> Result<SettleResult, ClientError> {
        let body = json!({ "leases": leases, "lease_seconds": seconds(lease) });
        self.settle(consumer, "/extend", body).await
    }

    async fn settle(
        &self,
        consumer: &ConsumerKey,
        action: &str,
        body: Value,
    ) -> Result<SettleResult, ClientError> {
        let request = self.http.post(self.url(&path(consumer, action))?);
        read_json(call(request.json(&body)).await?, "the result for leases").await
    }
}

fn seconds(lease: LeaseDuration) -> f64 {
    f64::from(lease.as_millis()) / 1000.0
}
