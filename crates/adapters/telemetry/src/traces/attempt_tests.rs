//! The attempts of webhooks as they are exported.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use posthorn_application::{
    WebhookEndpoint, WebhookEvent, WebhookEventKind, WebhookReply, WebhookSendError, WebhookSender,
};
use posthorn_domain::{
    Timestamp, TraceParent, UrlSchemes, WebhookHeaders, WebhookPrivate, WebhookSecret,
    WebhookSettings, WebhookUrl,
};
use tracing::field;

use super::test_export::{attributes, exported, only};
use crate::webhook_sender::TracedWebhookSender;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

type Outcome = Result<WebhookReply, WebhookSendError>;

/// Sends nothing, keeps the last event and returns an outcome.
#[derive(Clone)]
struct FakeReceiver(Arc<Mutex<(Option<WebhookEvent>, Outcome)>>);

impl WebhookSender for FakeReceiver {
    fn endpoint(&self, _: &WebhookSettings, _: &WebhookPrivate) -> Arc<dyn WebhookEndpoint> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl WebhookEndpoint for FakeReceiver {
    async fn send(&self, event: WebhookEvent) -> Outcome {
        let mut kept = self.0.lock().unwrap();
        kept.0 = Some(event);
        kept.1.clone()
    }
}

const fn status(status: u16) -> WebhookReply {
    WebhookReply {
        status,
        retry_after: None,
    }
}

/// One attempt at a message with `traceparent`; the `traceparent` of its request.
fn attempt(traceparent: Option<&str>, outcome: Outcome) -> Option<TraceParent> {
    let receiver = FakeReceiver(Arc::new(Mutex::new((None, outcome))));
    let url = WebhookUrl::parse("https://[2001:db8::1]:8443/a-secret?b=c", UrlSchemes::Https);
    let private = WebhookPrivate {
        secret: WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        previous: Vec::new(),
        headers: WebhookHeaders::default(),
        salt: [0; 16],
    };
    let sender = TracedWebhookSender::new(Arc::new(receiver.clone()));
    let endpoint = sender.endpoint(&WebhookSettings::new(url.unwrap()), &private);
    let event = WebhookEvent {
        id: "an-id".to_owned(),
        kind: WebhookEventKind::MessageAccepted,
        source: "/a".into(),
        at: Timestamp::default(),
        body: Vec::new(),
        traceparent: traceparent.map(|text| TraceParent::parse(text).unwrap()),
        request_traceparent: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let _ = runtime.unwrap().block_on(endpoint.send(event));
    let kept = receiver.0.lock().unwrap().0.take();
    kept.unwrap().request_traceparent
}

#[track_caller]
fn check_carried(carried: Option<&TraceParent>, span: &SpanData, flags: &str) {
    let context = &span.span_context;
    let expected = format!("00-{}-{}-{flags}", context.trace_id(), context.span_id());
    assert_eq!(carried.map(TraceParent::as_str), Some(expected.as_str()));
}

#[test]
fn an_attempt_is_a_client_span_in_the_trace_of_its_message() {
    let mut carried = None;
    let span = only(exported(|| {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        carried = attempt(Some(&parent), Ok(status(204)));
    }));
    check_carried(carried.as_ref(), &span, "01");
    assert_eq!(span.name, "POST");
    assert_eq!(span.span_kind, SpanKind::Client);
    assert_eq!(span.status, Status::Unset);
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    let link = &span.links.links[0].span_context;
    assert_eq!(link.trace_id().to_string(), TRACE);
    assert_eq!(link.span_id().to_string(), "b7ad6b7169203331");
    let expected = [
        ("http.request.method", "POST"),
        ("http.response.status_code", "204"),
        ("server.address", "2001:db8::1"),
        ("server.port", "8443"),
        ("url.full", "https://[2001:db8::1]:8443/REDACTED"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes(&span), expected);
}

#[test]
fn an_attempt_at_a_message_without_a_trace_begins_one() {
    let mut carried = None;
    let span = only(exported(|| carried = attempt(None, Ok(status(200)))));
    check_carried(carried.as_ref(), &span, "01");
    assert_eq!(span.parent_span_id.to_string(), "0000000000000000");
    assert!(span.links.links.is_empty(), "{span:?}");
}

#[test]
fn a_trace_that_is_not_sampled_goes_on_unsampled() {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
    let mut carried = None;
    let spans = exported(|| carried = attempt(Some(&parent), Ok(status(200))));
    assert!(spans.is_empty(), "{spans:?}");
    let carried = carried.unwrap();
    assert_eq!(carried.trace_id(), TRACE);
    assert!(carried.as_str().ends_with("-00"), "{carried}");
}

#[test]
fn without_traces_the_request_has_none_of_its_own() {
    assert_eq!(attempt(None, Ok(status(200))), None);
}

#[test]
fn a_test_of_a_webhook_is_a_child_of_its_request() {
    let spans = exported(|| {
        let request = tracing::info_span!("request", trace_id = field::Empty);
        request.in_scope(|| attempt(None, Ok(status(200))));
    });
    let [attempt, request] = spans.as_slice() else {
        panic!("{spans:?}");
    };
    assert_eq!(attempt.parent_span_id, request.span_context.span_id());
}

#[test]
fn a_failed_attempt_is_an_error_with_its_class() {
    for (outcome, class) in [
        (Ok(status(404)), "404"),
        (Ok(status(503)), "503"),
        (Err(WebhookSendError::Timeout), "timeout"),
        (Err(WebhookSendError::Failed("why".to_owned())), "_OTHER"),
    ] {
        let span = only(exported(|| drop(attempt(None, outcome))));
        assert_eq!(span.status, Status::error(""), "{class}");
        let class = ("error.type".to_owned(), class.to_owned());
        assert!(attributes(&span).contains(&class), "{span:?}");
    }
}
