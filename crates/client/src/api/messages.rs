//! `POST /api/v1/message`.

use std::collections::BTreeMap;

use posthorn_domain::Topic;
use serde::Serialize;
use serde_json::Value;

use super::client::{ApiClient, call, header, read_json};
use crate::error::ClientError;

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

impl ApiClient {
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
        let response = call(request.header("Idempotency-Key", key).json(&body)).await?;
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
