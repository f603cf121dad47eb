//! The bodies of webhook requests.

use posthorn_application::WebhookEncoder;
use posthorn_domain::{ConsumerKey, Message, Timestamp, Topic, WebhookFormat};
use serde::Serialize;

use crate::settings::PublicUrl;
use crate::wire::message::stored::message_response;
use crate::wire::time::rfc3339;

/// Writes the bodies of webhook requests with the message resource of the API.
#[derive(Debug, Default)]
pub struct WebhookPayload {
    public_url: PublicUrl,
}

impl WebhookPayload {
    /// Links begin with `public_url`.
    pub const fn new(public_url: PublicUrl) -> Self {
        Self { public_url }
    }
}

/// The payload of Standard Webhooks.
#[derive(Serialize)]
struct Payload<T> {
    r#type: &'static str,
    timestamp: String,
    data: T,
}

/// The data of a test.
#[derive(Serialize)]
struct Test<'a> {
    topic: &'a str,
    webhook: &'a str,
}

impl WebhookEncoder for WebhookPayload {
    fn message(&self, message: &Message, format: WebhookFormat) -> Vec<u8> {
        let timestamp = message.processed_at;
        body(
            "message.accepted",
            timestamp,
            message_response(message),
            format,
        )
    }

    fn test(&self, key: &ConsumerKey, at: Timestamp, format: WebhookFormat) -> Vec<u8> {
        let data = Test {
            topic: key.topic.as_str(),
            webhook: key.name.as_str(),
        };
        body("webhook.test", at, data, format)
    }

    fn source(&self, topic: &Topic) -> String {
        self.public_url.link(&format!("/api/v1/topics/{topic}"))
    }
}

fn body(
    r#type: &'static str,
    timestamp: Timestamp,
    data: impl Serialize,
    format: WebhookFormat,
) -> Vec<u8> {
    let json = match format {
        WebhookFormat::Standard => serde_json::to_vec(&Payload {
            r#type,
            timestamp: rfc3339(timestamp),
            data,
        }),
        WebhookFormat::CloudEvents => serde_json::to_vec(&data),
    };
    // Texts, numbers and maps of texts always serialize.
    json.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use posthorn_domain::{ConsumerKind, ConsumerName};
    use posthorn_testkit::samples;
    use serde_json::{Value, json};

    use super::*;

    fn key() -> ConsumerKey {
        ConsumerKey {
            topic: samples::topic("orders"),
            kind: ConsumerKind::Webhook,
            name: ConsumerName::parse("crm").unwrap(),
        }
    }

    #[test]
    fn a_test_names_the_webhook() {
        let at = Timestamp::from_millis(1_795_392_000_120);
        let test = |format| -> Value {
            serde_json::from_slice(&WebhookPayload::default().test(&key(), at, format)).unwrap()
        };
        let data = json!({"topic": "orders", "webhook": "crm"});
        assert_eq!(test(WebhookFormat::CloudEvents), data);
        let standard = json!({
            "type": "webhook.test", "timestamp": "2026-11-23T00:00:00.120Z", "data": data,
        });
        assert_eq!(test(WebhookFormat::Standard), standard);
    }

    #[test]
    fn the_source_is_the_url_of_the_topic() {
        let source = WebhookPayload::default().source(&key().topic);
        assert_eq!(source, "/api/v1/topics/orders");
        let public_url = "https://www.example/inbox".parse().unwrap();
        let source = WebhookPayload::new(public_url).source(&key().topic);
        assert_eq!(source, "https://www.example/inbox/api/v1/topics/orders");
    }
}
