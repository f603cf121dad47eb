//! `posthorn send`: sends one message, stored once through any number of retries.

use std::time::Duration;

use serde_json::Value;

use crate::api::{ApiClient, MessageDraft};
use crate::error::ClientError;
use crate::retry::Retry;

/// What to send, and how.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// The message.
    pub draft: MessageDraft,
    /// The key by which the server recognises a retry; a new UUID of version 7 if `None`.
    pub idempotency_key: Option<String>,
    /// The time limit of all tries.
    pub retry_for: Duration,
}

/// Sends a message and returns its receipt. Every try carries the same idempotency key, so that the
/// message is stored once even if a response was lost.
pub async fn send(client: &ApiClient, request: &SendRequest) -> Result<Value, ClientError> {
    let new_key = || uuid::Uuid::now_v7().to_string();
    let key = request.idempotency_key.clone().unwrap_or_else(new_key);
    let mut retry = Retry::within(request.retry_for);
    retry
        .run(async || client.send_message(&request.draft, &key).await)
        .await
}
