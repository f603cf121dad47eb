//! `/api/v1/topics/{topic}/consumers`, and what webhooks have in common with consumers.

use posthorn_domain::{ConsumerKey, ConsumerKind, MessageId, Topic};
use reqwest::Response;
use reqwest::header::{ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{ApiClient, header, read_json};
use super::messages::parameter;
use crate::error::ClientError;

/// The settings of a consumer to create or to replace. The server checks them; it applies its
/// defaults for what is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ConsumerDraft {
    /// Where a new consumer starts: `oldest`, `newest`, a message id or an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The length of a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<f64>,
    /// The attempts before a message is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The delays before the attempts 2, 3, …; the last one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_seconds: Option<Vec<f64>>,
    /// The most valid leases at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
}

/// The condition under which settings are written.
#[derive(Clone, Debug)]
pub enum WriteCondition {
    /// The consumer or webhook does not exist.
    Absent,
    /// The settings have this entity tag.
    Tag(String),
}

/// A consumer or a webhook as the server describes it.
#[derive(Clone, Debug)]
pub struct ConsumerResource {
    /// Its settings and counts.
    pub json: Value,
    /// The entity tag of its settings.
    pub tag: Option<String>,
}

/// The result of a redrive.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RedriveResult {
    /// How many dead letters wait again.
    pub redriven: u64,
    /// How many dead letters are left.
    pub remaining: u64,
    /// The requested ids that are not dead letters.
    #[serde(default)]
    pub unknown: Vec<String>,
}

impl ApiClient {
    /// Creates a consumer, or replaces the settings of an existing one.
    pub async fn put_consumer(
        &self,
        consumer: &ConsumerKey,
        draft: &ConsumerDraft,
        condition: Option<&WriteCondition>,
    ) -> Result<ConsumerResource, ClientError> {
        self.put(consumer, draft, condition).await
    }

    pub(super) async fn put(
        &self,
        key: &ConsumerKey,
        draft: &impl Serialize,
        condition: Option<&WriteCondition>,
    ) -> Result<ConsumerResource, ClientError> {
        let mut request = self.http.put(self.url(&path(key, ""))?).json(draft);
        match condition {
            Some(WriteCondition::Absent) => {
                request = request.header(IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
            Some(WriteCondition::Tag(tag)) => {
                request = request.header(IF_MATCH, header("--if-match", tag)?);
            }
            None => {}
        }
        read_consumer(self.call(request).await?).await
    }

    /// Returns a consumer or a webhook with its counts.
    pub async fn get_consumer(
        &self,
        consumer: &ConsumerKey,
    ) -> Result<ConsumerResource, ClientError> {
        let request = self.http.get(self.url(&path(consumer, ""))?);
        read_consumer(self.call(request).await?).await
    }

    /// Returns the consumers or the webhooks of a topic: an object with the list `consumers` or
    /// `webhooks`.
    pub async fn list_consumers(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Value, ClientError> {
        let url = self.url(&format!("topics/{topic}/{}s", kind.as_str()))?;
        read_json(self.call(self.http.get(url)).await?, "a list of consumers").await
    }

    /// Deletes a consumer or a webhook. Its leases become stale.
    pub async fn delete_consumer(&self, consumer: &ConsumerKey) -> Result<(), ClientError> {
        let url = self.url(&path(consumer, ""))?;
        self.call(self.http.delete(url)).await.map(drop)
    }

    /// Moves a consumer to a position: `oldest`, `newest`, a message id or an RFC 3339 time.
    pub async fn seek_consumer(
        &self,
        consumer: &ConsumerKey,
        to: &str,
    ) -> Result<ConsumerResource, ClientError> {
        let url = self.url(&path(consumer, "/seek"))?;
        let body = serde_json::json!({ "to": to });
        read_consumer(self.call(self.http.post(url).json(&body)).await?).await
    }

    /// Returns a page of at most `limit` dead letters, 1 to 200, oldest first: an object with the list
    /// `messages`, the ids of damaged ones in `unreadable`, and `next`.
    pub async fn dead_letters(
        &self,
        consumer: &ConsumerKey,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Value, ClientError> {
        let mut url = self.url(&path(consumer, "/dead"))?;
        url.query_pairs_mut()
            .extend_pairs(after.map(|after| ("after", after.to_string())))
            .append_pair("limit", &limit.to_string());
        read_json(
            self.call(self.http.get(url)).await?,
            "a page of dead letters",
        )
        .await
    }

    /// Returns dead letters to waiting: those with these ids, or the oldest 200 if `ids` is empty.
    pub async fn redrive(
        &self,
        consumer: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<RedriveResult, ClientError> {
        let url = self.url(&path(consumer, "/dead/redrive"))?;
        let body = if ids.is_empty() {
            serde_json::json!({})
        } else {
            let ids: Vec<_> = ids.iter().map(MessageId::to_string).collect();
            serde_json::json!({ "ids": ids })
        };
        let response = self.call(self.http.post(url).json(&body)).await?;
        read_json(response, "the result of a redrive").await
    }

    /// Deletes a dead letter.
    pub async fn delete_dead_letter(
        &self,
        consumer: &ConsumerKey,
        id: MessageId,
    ) -> Result<(), ClientError> {
        let url = self.url(&path(consumer, &format!("/dead/{id}")))?;
        self.call(self.http.delete(url)).await.map(drop)
    }
}

/// The path of a consumer or a webhook below `/api/v1`, followed by `rest`.
pub(super) fn path(key: &ConsumerKey, rest: &str) -> String {
    let ConsumerKey { topic, kind, name } = key;
    format!("topics/{topic}/{}s/{name}{rest}", kind.as_str())
}

/// The id after which the page of dead letters behind `page` begins; `None` on the last page.
pub(crate) fn next_dead_letters(page: &Value) -> Option<String> {
    parameter(page.get("next")?.as_str()?, "after")
}

pub(super) async fn read_consumer(response: Response) -> Result<ConsumerResource, ClientError> {
    let tag = response.headers().get(ETAG);
    let tag = tag.and_then(|tag| tag.to_str().ok()).map(ToOwned::to_owned);
    let json = read_json(response, "a consumer").await?;
    Ok(ConsumerResource { json, tag })
}
