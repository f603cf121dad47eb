//! Senders, events and settings of the tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use posthorn_application::{
    WebhookEndpoint, WebhookEvent, WebhookEventKind, WebhookReply, WebhookSendError, WebhookSender,
};
use posthorn_domain::{
    AddressPolicy, AttemptTimeout, Timestamp, TraceParent, UrlSchemes, WebhookFormat,
    WebhookHeaders, WebhookPrivate, WebhookSecret, WebhookSettings, WebhookUrl,
};
use posthorn_webhooks::{HttpSender, HttpSenderSettings};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The time limit of the attempts.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);
/// What a busy machine may add.
pub(crate) const SLACK: Duration = Duration::from_secs(4);

pub(crate) fn allowing(ranges: &[&str]) -> HttpSenderSettings {
    let ranges = ranges.iter().map(|range| range.parse().unwrap());
    HttpSenderSettings {
        addresses: AddressPolicy::new(ranges.collect()),
        ..HttpSenderSettings::default()
    }
}

pub(crate) fn sender(settings: HttpSenderSettings) -> HttpSender {
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpSender::new(settings).unwrap()
}

/// An endpoint that may call the loopback.
pub(crate) fn endpoint(url: &str) -> Arc<dyn WebhookEndpoint> {
    endpoint_of(
        &sender(allowing(&["127.0.0.0/8"])),
        url,
        WebhookFormat::Standard,
    )
}

pub(crate) fn endpoint_of(
    sender: &HttpSender,
    url: &str,
    format: WebhookFormat,
) -> Arc<dyn WebhookEndpoint> {
    let url = WebhookUrl::parse(url, UrlSchemes::HttpAndHttps).unwrap();
    let mut settings = WebhookSettings::new(url);
    settings.timeout = AttemptTimeout::parse(LIMIT.as_secs_f64()).unwrap();
    settings.format = format;
    let headers = [
        ("Authorization", "Bearer of-receiver"),
        ("User-Agent", "mine"),
    ];
    let private = WebhookPrivate {
        secret: WebhookSecret::parse(SECRET).unwrap(),
        previous: Vec::new(),
        headers: WebhookHeaders::parse(headers).unwrap(),
        salt: [0; 16],
    };
    sender.endpoint(&settings, &private)
}

pub(crate) fn event() -> WebhookEvent {
    WebhookEvent {
        id: "01KB0000000000000000000001".to_owned(),
        kind: WebhookEventKind::MessageAccepted,
        source: "/api/v1/topics/orders".into(),
        at: Timestamp::from_millis(1_795_392_000_999),
        body: br#"{"type":"message.accepted"}"#.to_vec(),
        traceparent: None,
        request_traceparent: None,
    }
}

/// A `traceparent` whose ids are functions of `number`.
pub(crate) fn traceparent(number: u64) -> TraceParent {
    TraceParent::parse(&format!("00-{number:032x}-{number:016x}-01")).unwrap()
}

/// Sends one request, which has to end within its time limit.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
pub(crate) async fn send(
    endpoint: &Arc<dyn WebhookEndpoint>,
) -> Result<WebhookReply, WebhookSendError> {
    let start = Instant::now();
    let result = endpoint.send(event()).await;
    let took = start.elapsed();
    assert!(took < LIMIT + SLACK, "{took:?}");
    result
}
