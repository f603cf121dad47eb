//! Messages: sending one, a batch, reading pages and single ones, deletion.

mod read;

use std::collections::BTreeMap;

use posthorn_domain::Topic;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{ApiClient, header, read_json};
use crate::error::ClientError;

pub(crate) use read::BulkDeleteResult;
pub(super) use read::parameter;
pub use read::{MAX_PAGE, MessagePage, PageCursor, PageQuery, TopicListPage};

/// A message to send. The server checks it.
#[derive(Clone, Debug)]
pub struct MessageDraft {
    /// The text.
    pub text: String,
    /// The topic; the server's inbox if `None`.
    pub topic: Option<Topic>,
    /// The attributes.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct SendBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: &'a BTreeMap<String, String>,
}

/// The receipts of a batch.
#[derive(Deserialize)]
struct BatchReceipts {
    receipts: Vec<Value>,
}

impl ApiClient {
    /// Sends messages, each a line of `lines` as a JSON object, and returns their receipts in order.
    /// The server stores all of them or none, once per idempotency key. In the text of a rejection
    /// `item_name` names a message by its index in the batch, from 0.
    pub async fn send_lines(
        &self,
        topic: &Topic,
        lines: String,
        idempotency_key: &str,
        item_name: impl Fn(usize) -> String,
    ) -> Result<Vec<Value>, ClientError> {
        let key = header("--idempotency-key", idempotency_key)?;
        let url = self.url(&format!("topics/{topic}/messages/batch"))?;
        let request = self.http.post(url).header("Idempotency-Key", key);
        let request = request.header(CONTENT_TYPE, "application/x-ndjson");
        let response = self.call_for_items(request.body(lines), item_name).await?;
        let batch: BatchReceipts = read_json(response, "receipts").await?;
        Ok(batch.receipts)
    }

    /// Sends a message and returns its receipt, a JSON object with an `id`. The server stores the
    /// message once per idempotency key.
    pub async fn send_message(
        &self,
        draft: &MessageDraft,
        idempotency_key: &str,
    ) -> Result<Value, ClientError> {
        let key = header("--idempotency-key", idempotency_key)?;
        let body = SendBody {
            message: &draft.text,
            topic: draft.topic.as_ref().map(Topic::as_str),
            attributes: &draft.attributes,
        };
        let request = self.http.post(self.url("message")?);
        let response = self
            .call(request.header("Idempotency-Key", key).json(&body))
            .await?;
        let status = response.status();
        let receipt: Value = read_json(response, "a receipt").await?;
        if receipt.get("id").is_some_and(Value::is_string) {
            Ok(receipt)
        } else {
            Err(ClientError::UnexpectedResponse {
                expected: "a receipt",
                found: format!("{status} and a body of another kind"),
            })
        }
    }
}
