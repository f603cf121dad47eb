//! A request that tests a webhook.

use std::time::Duration;

use posthorn_domain::{ConsumerKey, WebhookPrivate, WebhookSettings};

use super::ports::WebhookServicePorts;
use crate::ports::webhook_sender::{
    WebhookEvent, WebhookEventKind, WebhookReply, WebhookSendError,
};

/// The outcome of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTested {
    /// The response, or why there is none.
    pub result: Result<WebhookReply, WebhookSendError>,
    /// How long it took.
    pub duration: Duration,
}

/// Sends a signed request with an id of its own. It is not recorded and does not count for the
/// health.
pub(super) async fn send(
    ports: &WebhookServicePorts,
    key: &ConsumerKey,
    settings: &WebhookSettings,
    private: &WebhookPrivate,
) -> WebhookTested {
    let at = ports.clock.now();
    let event = WebhookEvent {
        id: format!("test_{:016x}", ports.random.bits()),
        kind: WebhookEventKind::Test,
        source: ports.encoder.source(&key.topic).into(),
        at,
        body: ports.encoder.test(key, at, settings.format),
        traceparent: None,
        request_traceparent: None,
    };
    let endpoint = ports.sender.endpoint(settings, private);
    let started = ports.clock.monotonic();
    let result = endpoint.send(event).await;
    WebhookTested {
        result,
        duration: ports.clock.monotonic().saturating_sub(started),
    }
}
