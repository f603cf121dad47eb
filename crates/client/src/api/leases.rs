//! `…/pull`, `…/ack`, `…/nack`, `…/extend`: working off the messages of a consumer.

use std::time::Duration;

use posthorn_domain::{ConsumerKey, LeaseDuration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::{ApiClient, CALL_TIMEOUT, read_json};
use super::consumers::path;
use crate::error::ClientError;
use crate::seconds::seconds;

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

/// The limits of a pull. The server applies its default for what is absent; that of `lease` is the
/// setting of the consumer.
#[derive(Clone, Copy, Debug, Default)]
pub struct PullLimits {
    /// The most messages, at most 200.
    pub max: Option<usize>,
    /// The longest wait for the first message, at most 20 s.
    pub wait: Option<Duration>,
    /// The length of the leases.
    pub lease: Option<LeaseDuration>,
}

/// The leases that a call settled or extended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SettleResult {
    /// How many leases were valid.
    pub settled: u64,
    /// The tokens of the leases that were not: expired, settled, or ended by the server.
    #[serde(default)]
    pub stale: Vec<String>,
    /// When the valid leases end, of an extension that found one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_expires_at: Option<String>,
}

#[derive(Deserialize)]
struct PulledMessages {
    messages: Vec<ReceivedMessage>,
}

impl ApiClient {
    /// Leases messages. Waits if none is due.
    pub async fn pull(
        &self,
        consumer: &ConsumerKey,
        limits: PullLimits,
    ) -> Result<Vec<ReceivedMessage>, ClientError> {
        let body = body([
            ("max", limits.max.map(|max| json!(max))),
            ("wait_seconds", limits.wait.map(|wait| json!(seconds(wait)))),
            ("lease_seconds", limits.lease.map(lease_seconds)),
        ]);
        let request = self.http.post(self.url(&path(consumer, "/pull"))?);
        let timeout = limits.wait.unwrap_or_default() + CALL_TIMEOUT;
        let response = self.send(request.timeout(timeout).json(&body)).await?;
        let pulled: PulledMessages = read_json(response, "leased messages").await?;
        Ok(pulled.messages)
    }

    /// Acknowledges messages: they are never handed out to this consumer again.
    pub async fn ack(
        &self,
        consumer: &ConsumerKey,
        leases: &[String],
    ) -> Result<SettleResult, ClientError> {
        let body = body([("leases", Some(json!(leases)))]);
        self.settle(consumer, "/ack", body).await
    }

    /// Rejects messages: each is handed out again after `delay`, or after the consumer's backoff, or is
    /// dead after its last attempt.
    pub async fn nack(
        &self,
        consumer: &ConsumerKey,
        leases: &[String],
        reason: Option<&str>,
        delay: Option<Duration>,
    ) -> Result<SettleResult, ClientError> {
        let body = body([
            ("leases", Some(json!(leases))),
            ("reason", reason.map(|reason| json!(reason))),
            ("delay_seconds", delay.map(|delay| json!(seconds(delay)))),
        ]);
        self.settle(consumer, "/nack", body).await
    }

    /// Extends leases to `lease` from now, or to the length that the consumer sets.
    pub async fn extend(
        &self,
        consumer: &ConsumerKey,
        leases: &[String],
        lease: Option<LeaseDuration>,
    ) -> Result<SettleResult, ClientError> {
        let body = body([
            ("leases", Some(json!(leases))),
            ("lease_seconds", lease.map(lease_seconds)),
        ]);
        self.settle(consumer, "/extend", body).await
    }

    async fn settle(
        &self,
        consumer: &ConsumerKey,
        action: &str,
        body: Value,
    ) -> Result<SettleResult, ClientError> {
        let request = self.http.post(self.url(&path(consumer, action))?);
        read_json(
            self.call(request.json(&body)).await?,
            "the result for leases",
        )
        .await
    }
}

/// An object of the members that have a value.
fn body<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter();
    let given = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

fn lease_seconds(lease: LeaseDuration) -> Value {
    json!(seconds(lease.get()))
}
