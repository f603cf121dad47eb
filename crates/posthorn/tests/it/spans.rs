//! The spans of a request, of its calls of the store and of its webhooks, as a collector gets them.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use posthorn_testkit::{RedisServer, eventually};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::collector::{Collector, attribute};
use crate::receiver::Receiver;
use crate::support::{PATIENCE, Server};
use crate::tokens::{KEY, issue};
use crate::webhooks::ALLOWED;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const MESSAGES: &str = "/api/v1/topics/orders/messages";
const ROUTE: &str = "/api/v1/topics/{topic}/messages";

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}

fn is_of(span: &Span, kind: SpanKind, trace: &str) -> bool {
    span.kind == i32::from(kind) && hex(&span.trace_id) == trace
}

fn is_server(span: &Span) -> bool {
    is_of(span, SpanKind::Server, TRACE)
}

#[track_caller]
fn check(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found = attribute(span, name);
        assert_eq!(found.as_deref(), Some(*value), "{name} of {span:#?}");
    }
}

/// True if `span` is below the one of the request.
fn is_within(span: &Span, request: &Span, spans: &[Span]) -> bool {
    let mut parent = span.parent_span_id.clone();
    while parent != request.span_id {
        match spans.iter().find(|other| other.span_id == parent) {
            Some(next) => parent.clone_from(&next.parent_span_id),
            None => return false,
        }
    }
    true
}

/// The only call of a database that has this name and is below the request.
#[track_caller]
fn call(name: &str, request: &Span, spans: &[Span]) -> Span {
    let is_wanted = |span: &&Span| {
        let is_call = is_of(span, SpanKind::Client, TRACE) && span.name == name;
        is_call && is_within(span, request, spans)
    };
    let mut calls = spans.iter().filter(is_wanted);
    let only = calls.next().expect(name).clone();
    assert!(calls.next().is_none(), "{name} is there twice");
    only
}

/// Sends a message with everything that no span may show.
async fn send(server: &Server, token: &str) -> StatusCode {
    let url = format!("{}{MESSAGES}?attribute.k=in-the-query", server.url);
    let request = server
        .client
        .post(url)
        .body("the text of nobody's business");
    let request = request.header("content-type", "text/plain");
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let response = request.bearer_auth(token).send().await.unwrap();
    response.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_one_trace_from_its_client_over_redis_to_its_webhook() {
    let (collector, receiver) = (Collector::start().await, Receiver::start().await);
    let redis = RedisServer::start_durable().await;
    let directory = TempDir::new().unwrap();
    let url = format!("{}/0", redis.url().trim_end_matches('/'));
    let environment = [
        ("STORE_URL", url.as_str()),
        ("REDIS_URL", url.as_str()),
        ("SECRET_KEY", KEY),
        ("RATE_LIMIT_ENABLED", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ALLOWED,
    ];
    let mut server = Server::start(&directory, &environment).await;
    let settings = json!({ "url": format!("{}/secret-path", receiver.url) });
    server.create_webhook("mail", &settings).await;
    let token = issue(
        &directory,
        KEY,
        &["--sub", "a", "--scope", "messages:write", "--topics", "*"],
    )
    .await;
    assert_eq!(send(&server, &token).await, StatusCode::CREATED);
    let requests = || receiver.requests("/secret-path");
    eventually(PATIENCE, async || requests().len() == 1).await;
    // The process exports the remaining spans at its end.
    server.signal("TERM").await;
    assert!(server.ended().await.success());

    let request = collector.span(is_server).await;
    check_request(&request, server.url.rsplit(':').next().unwrap());
    check_calls_of_redis(&request, &redis.port().to_string(), &collector.spans());
    let is_webhook =
        |span: &Span| is_of(span, SpanKind::Client, TRACE) && attribute(span, "url.full").is_some();
    let webhook = collector.span(is_webhook).await;
    check_webhook(&webhook, receiver.url.rsplit(':').next().unwrap());
    let handed_on = format!("00-{TRACE}-{}-01", hex(&webhook.span_id));
    assert_eq!(requests()[0].headers["traceparent"], handed_on);

    let secret = token.rsplit('.').next().unwrap();
    for private in ["nobody's business", "in-the-query", secret, "secret-path"] {
        assert!(!collector.holds(private), "{private}");
    }
}

#[track_caller]
fn check_request(request: &Span, port: &str) {
    assert_eq!(request.name, format!("POST {ROUTE}"));
    assert_eq!(hex(&request.parent_span_id), PARENT);
    let attributes = [
        ("http.request.method", "POST"),
        ("url.path", MESSAGES),
        ("url.scheme", "http"),
        ("http.route", ROUTE),
        ("http.response.status_code", "201"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", port),
        ("client.address", "127.0.0.1"),
    ];
    check(request, &attributes);
}

/// The message is a command; the quota, the revocations and the index of topics are scripts or commands.
#[track_caller]
fn check_calls_of_redis(request: &Span, port: &str, spans: &[Span]) {
    for operation in ["XADD", "EVALSHA"] {
        let name = format!("{operation} 127.0.0.1:{port}");
        let is_call = |span: &&Span| {
            let is_client = is_of(span, SpanKind::Client, TRACE);
            is_client && span.name == name && is_within(span, request, spans)
        };
        let calls: Vec<_> = spans.iter().filter(is_call).collect();
        assert!(!calls.is_empty(), "{name}: {spans:#?}");
        for call in calls {
            let attributes = [
                ("db.system.name", "redis"),
                ("db.operation.name", operation),
                ("db.namespace", "0"),
                ("server.address", "127.0.0.1"),
                ("server.port", port),
            ];
            check(call, &attributes);
            assert_eq!(attribute(call, "error.type"), None);
        }
    }
}

/// The message was created by the client: the webhook's request is its child, and linked to it.
#[track_caller]
fn check_webhook(webhook: &Span, port: &str) {
    assert_eq!(webhook.name, "POST");
    assert_eq!(hex(&webhook.parent_span_id), PARENT);
    let links = webhook.links.iter();
    let links: Vec<_> = links
        .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
        .collect();
    assert_eq!(links, [(TRACE.to_owned(), PARENT.to_owned())]);
    let attributes = [
        ("http.request.method", "POST"),
        ("http.response.status_code", "204"),
        ("server.address", "127.0.0.1"),
        ("server.port", port),
    ];
    check(webhook, &attributes);
}

#[tokio::test]
async fn a_call_of_a_lost_redis_is_an_error() {
    let collector = Collector::start().await;
    let mut redis = RedisServer::start_durable().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let environment = [
        ("STORE_URL", url.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let server = Server::start(&directory, &environment).await;
    redis.stop();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let request = server.client.get(format!("{}{MESSAGES}", server.url));
    let response = request.header("traceparent", traceparent).send().await;
    assert_eq!(response.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let request = collector.span(is_server).await;
    check(&request, &[("error.type", "503")]);
    let is_failed_call = |span: &Span| {
        is_of(span, SpanKind::Client, TRACE) && attribute(span, "error.type").is_some()
    };
    let call = collector.span(is_failed_call).await;
    check(
        &call,
        &[("db.system.name", "redis"), ("error.type", "unavailable")],
    );
    for span in [request, call] {
        let status = span.status.unwrap();
        assert_eq!(status.code, i32::from(SpanStatus::Error));
    }
}

#[tokio::test]
async fn a_call_of_sqlite_is_a_span_below_its_request() {
    let collector = Collector::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [
        ("SECRET_KEY", KEY),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let server = Server::start(&directory, &environment).await;
    let token = ["--sub", "a", "--scope", "messages:write", "--topics", "*"];
    let token = issue(&directory, KEY, &token).await;
    assert_eq!(send(&server, &token).await, StatusCode::CREATED);
    let request = collector.span(is_server).await;
    let call = call("INSERT messages", &request, &collector.spans());
    let attributes = [
        ("db.system.name", "sqlite"),
        ("db.operation.name", "INSERT"),
        ("db.collection.name", "messages"),
    ];
    check(&call, &attributes);
}
