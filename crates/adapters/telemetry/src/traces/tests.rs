//! Spans as they are exported.

use opentelemetry::trace::{SpanKind, Status};
use tracing::{Span, field};

use super::test_export::{attributes, exported, only};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "00f067aa0ba902b7";

/// The span of a request.
fn request(method: &str, traceparent: Option<&str>) -> Span {
    tracing::info_span!(
        "request",
        request_id = "an-id",
        trace_id = TRACE,
        span_id = SPAN,
        traceparent,
        otel.kind = "server",
        http.request.method = method,
        url.path = "/a/path",
        url.scheme = "http",
        client.address = "203.0.113.9",
        http.route = field::Empty,
        http.response.status_code = field::Empty,
    )
}

fn finish(span: &Span, route: Option<&str>, status: u16) {
    span.record("http.route", route);
    span.record("http.response.status_code", i64::from(status));
}

#[test]
fn a_request_has_the_names_of_the_semantic_conventions() {
    let span = only(exported(|| {
        finish(&request("POST", None), Some("/api/v1/message"), 201);
    }));
    assert_eq!(span.name, "POST /api/v1/message");
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.status, Status::Unset);
    let expected = [
        ("client.address", "203.0.113.9"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "201"),
        ("http.route", "/api/v1/message"),
        ("request_id", "an-id"),
        ("url.path", "/a/path"),
        ("url.scheme", "http"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes(&span), expected);
    let is_number = |a: &opentelemetry::KeyValue| a.value == opentelemetry::Value::I64(201);
    assert!(span.attributes.iter().any(is_number), "{span:?}");
}

#[test]
fn what_no_route_knows_has_no_name_of_its_own() {
    let span = only(exported(|| {
        finish(&request("_OTHER", None), None, 405);
    }));
    assert_eq!(span.name, "HTTP");
    let has = |key: &str, value: &str| {
        let is = |a: &opentelemetry::KeyValue| a.key.as_str() == key && a.value.as_str() == value;
        span.attributes.iter().any(is)
    };
    assert!(has("http.request.method", "_OTHER"), "{span:?}");
    assert!(
        !attributes(&span).iter().any(|(key, _)| key == "http.route"),
        "{span:?}"
    );
}

#[test]
fn a_failure_of_the_server_is_an_error() {
    let span = only(exported(|| {
        finish(&request("GET", None), Some("/api/v1/topics"), 503);
    }));
    assert_eq!(span.status, Status::error(""));
    assert!(attributes(&span).contains(&("error.type".to_owned(), "503".to_owned())));
}

#[test]
fn a_trace_that_begins_here_has_the_ids_of_the_log() {
    let span = only(exported(|| drop(request("GET", None))));
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(span.span_context.span_id().to_string(), SPAN);
    assert_eq!(span.parent_span_id.to_string(), "0000000000000000");
}

#[test]
fn the_next_trace_has_an_id_of_its_own() {
    let spans = exported(|| {
        drop(request("GET", None));
        drop(tracing::info_span!("another", trace_id = field::Empty));
    });
    let [first, second] = [0, 1].map(|n: usize| &spans[n].span_context);
    assert_ne!(first.trace_id(), second.trace_id());
    assert_ne!(first.span_id(), second.span_id());
}

#[test]
fn a_trace_of_the_client_goes_on() {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let span = only(exported(|| drop(request("GET", Some(&parent)))));
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(span.parent_span_is_remote);
}

#[test]
fn what_the_client_does_not_sample_is_not_exported() {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
    assert!(exported(|| drop(request("GET", Some(&parent)))).is_empty());
}

#[test]
fn what_happens_within_a_request_is_its_child() {
    let spans = exported(|| {
        let request = request("GET", None);
        request.in_scope(|| {
            let span = tracing::debug_span!("store", operation = "append", outcome = field::Empty);
            span.in_scope(|| tracing::info!("an event"));
            span.record("outcome", "ok");
        });
    });
    let [child, request] = spans.as_slice() else {
        panic!("{spans:?}");
    };
    assert_eq!(child.name, "store append");
    assert_eq!(child.parent_span_id, request.span_context.span_id());
    assert!(attributes(child).contains(&("outcome".to_owned(), "ok".to_owned())));
    assert_eq!(child.events.len(), 1);
}

#[test]
fn nothing_else_is_exported() {
    let spans = exported(|| {
        drop(tracing::debug_span!("store", operation = "prune"));
        drop(tracing::info_span!(target: "hyper", "client"));
        let request = request("GET", None);
        request.in_scope(|| {
            drop(tracing::info_span!(target: "hyper", "client"));
            tracing::debug!(text = "a message's text", "an event");
        });
    });
    let request = only(spans);
    assert!(request.events.is_empty(), "{request:?}");
}
