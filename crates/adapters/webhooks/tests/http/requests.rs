//! What a receiver gets.

use posthorn_application::WebhookEvent;
use posthorn_domain::WebhookFormat;

use crate::receiver::{Receiver, Script};
use crate::rig::{SECRET, allowing, endpoint, endpoint_of, event, send, sender, traceparent};

const OK: Script = Script::Write("HTTP/1.1 204 No Content\r\n\r\n");

/// The value of a header field.
#[track_caller]
fn field<'a>(request: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    let found = request.lines().find_map(|line| line.strip_prefix(&prefix));
    found.unwrap_or_else(|| panic!("no {name} in {request}"))
}

#[tokio::test]
async fn a_request_is_signed_and_has_the_fields_of_the_webhook() {
    let receiver = Receiver::start(OK).await;
    let reply = send(&endpoint(&receiver.url())).await.unwrap();
    assert!(reply.is_success());
    let request = &receiver.requests()[0];
    assert!(
        request.starts_with("POST /hook?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.as_bytes(), event().body);
    assert_eq!(field(request, "webhook-id"), event().id);
    assert_eq!(field(request, "webhook-timestamp"), "1795392000");
    assert_eq!(field(request, "content-type"), "application/json");
    assert_eq!(field(request, "authorization"), "Bearer of-receiver");
    assert_eq!(field(request, "user-agent"), "mine");
    assert_eq!(field(request, "host"), receiver.address.to_string());
    let library = standardwebhooks::Webhook::new(SECRET).unwrap();
    let expected = library
        .sign(&event().id, 1_795_392_000, body.as_bytes())
        .unwrap();
    assert_eq!(field(request, "webhook-signature"), expected);
    assert!(!request.contains("ce-") && !request.contains("traceparent"));
}

#[tokio::test]
async fn a_cloud_event_is_in_binary_mode_and_signed_too() {
    let receiver = Receiver::start(OK).await;
    let sender = sender(allowing(&["127.0.0.1"]));
    let endpoint = endpoint_of(&sender, &receiver.url(), WebhookFormat::CloudEvents);
    send(&endpoint).await.unwrap();
    let request = &receiver.requests()[0];
    assert_eq!(field(request, "ce-specversion"), "1.0");
    assert_eq!(field(request, "ce-id"), event().id);
    assert_eq!(field(request, "ce-type"), "posthorn.message.accepted");
    assert_eq!(field(request, "ce-source"), "/api/v1/topics/orders");
    assert_eq!(field(request, "content-type"), "application/json");
    assert!(field(request, "webhook-signature").starts_with("v1,"));
}

#[tokio::test]
async fn a_request_carries_the_trace_of_the_message_or_its_own() {
    let receiver = Receiver::start(OK).await;
    let sender = sender(allowing(&["127.0.0.1"]));
    let (message, attempt) = (traceparent(1), traceparent(2));
    for (request_traceparent, expected) in [(None, &message), (Some(attempt.clone()), &attempt)] {
        for format in [WebhookFormat::Standard, WebhookFormat::CloudEvents] {
            let event = WebhookEvent {
                traceparent: Some(message.clone()),
                request_traceparent: request_traceparent.clone(),
                ..event()
            };
            let endpoint = endpoint_of(&sender, &receiver.url(), format);
            endpoint.send(event).await.unwrap();
            let request = receiver.requests().pop().unwrap();
            assert_eq!(field(&request, "traceparent"), expected.as_str());
            // The extension of an event names its source, not who hands it on.
            let extension = format!("ce-traceparent: {message}\r\n");
            let is_event = format == WebhookFormat::CloudEvents;
            assert_eq!(request.contains(&extension), is_event, "{request}");
        }
    }
}

#[tokio::test]
async fn requests_share_a_connection() {
    let receiver = Receiver::start(Script::Write(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ));
    let receiver = receiver.await;
    let endpoint = endpoint(&receiver.url());
    for _ in 0..5 {
        send(&endpoint).await.unwrap();
    }
    assert_eq!(receiver.requests().len(), 5);
    assert_eq!(receiver.connections(), 1);
}
