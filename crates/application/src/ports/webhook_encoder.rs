//! The port that writes the bodies of webhook requests.

use posthorn_domain::{ConsumerKey, Message, Timestamp, Topic, WebhookFormat};

/// Writes the bodies of webhook requests, in JSON. The HTTP API implements it, because a body
/// contains the API's message resource.
///
/// # Contract
/// The same message MUST always give the same bytes.
pub trait WebhookEncoder: Send + Sync {
    /// The body that announces `message`. In the standard format:
    /// `{"type": "message.accepted", "timestamp": …, "data": {…the message…}}`, with the time of
    /// acceptance; as a `CloudEvent`: the message resource.
    fn message(&self, message: &Message, format: WebhookFormat) -> Vec<u8>;

    /// The body of a test of the webhook `key` at the time `at`. In the standard format:
    /// `{"type": "webhook.test", "timestamp": …, "data": {"topic": …, "webhook": …}}`; as a
    /// `CloudEvent`: the `data`.
    fn test(&self, key: &ConsumerKey, at: Timestamp, format: WebhookFormat) -> Vec<u8>;

    /// The URL of `topic`: absolute if the process knows its public URL, else the path.
    fn source(&self, topic: &Topic) -> String;
}
