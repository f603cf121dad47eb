//! The log event of each finished request, the audit log, and secrets that are never logged.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use posthorn_application::{AccessPolicy, StoreError};
use posthorn_testkit::samples;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

use crate::support::{Behaviour, TestServer};

pub(crate) type Fields = BTreeMap<String, String>;

/// Every event of this process, including those of other tests.
pub(crate) fn events() -> &'static Mutex<Vec<(Level, Fields)>> {
    static EVENTS: OnceLock<Mutex<Vec<(Level, Fields)>>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let subscriber = registry().with(Recorder);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        Mutex::default()
    })
}

/// The name and the first fields of every span of this process.
fn spans() -> &'static Mutex<Vec<(String, Fields)>> {
    static SPANS: Mutex<Vec<(String, Fields)>> = Mutex::new(Vec::new());
    &SPANS
}

struct Recorder;

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        let mut fields = Visitor::default();
        attributes.record(&mut fields);
        let metadata = attributes.metadata();
        let name = metadata.name().to_owned();
        spans().lock().unwrap().push((name, fields.0));
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Visitor::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        events().lock().unwrap().push((level, fields.0));
    }
}

#[derive(Default)]
struct Visitor(Fields);

impl Visit for Visitor {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

/// The events of the request with this id.
pub(crate) fn of_request(id: &str) -> Vec<(Level, Fields)> {
    let events = events().lock().unwrap();
    let is_its = |fields: &Fields| fields.get("request_id").is_some_and(|given| given == id);
    let events = events.iter().filter(|(_, fields)| is_its(fields));
    events.cloned().collect()
}

#[tokio::test]
async fn each_request_has_one_event_at_the_level_of_its_outcome() {
    events();
    let server = TestServer::start();
    for (id, path, status, level) in [
        ("log-1", "/api/v1/ping", "200", Level::INFO),
        ("log-2", "/api/v1/topics/t/messages", "200", Level::INFO),
        ("log-3", "/nowhere", "404", Level::INFO),
        ("log-4", "/health/live", "200", Level::DEBUG),
        ("log-5", "/metrics", "200", Level::DEBUG),
    ] {
        server.call("GET", path, &[("X-Request-ID", id)], "").await;
        let events = of_request(id);
        assert_eq!(events.len(), 1, "{path}: {events:?}");
        let (found, fields) = &events[0];
        assert_eq!(
            (found, fields["status"].as_str()),
            (&level, status),
            "{path}"
        );
        assert_eq!(fields["method"], "GET");
        assert_eq!(fields["client"], "127.0.0.1");
        assert!(fields["latency_ms"].parse::<f64>().unwrap() >= 0.0);
        assert!(fields.contains_key("bytes"), "{fields:?}");
        assert_eq!(fields["trace_id"].len(), 32, "{fields:?}");
    }
    assert_eq!(
        of_request("log-2")[0].1["route"],
        "/api/v1/topics/{topic}/messages"
    );
    assert_eq!(of_request("log-3")[0].1["route"], "unmatched");
    server.store_behaves(Behaviour::Panic);
    server
        .call("GET", "/api/v1/topics", &[("X-Request-ID", "log-6")], "")
        .await;
    assert_eq!(of_request("log-6")[0].0, Level::ERROR);
}

#[tokio::test]
async fn a_span_has_the_attributes_of_the_semantic_conventions() {
    events();
    let server = TestServer::start();
    let id = ("X-Request-ID", "span-1");
    server
        .call("GET", "/api/v1/topics/t/messages?limit=1", &[id], "")
        .await;
    let spans = spans().lock().unwrap();
    let is_its = |fields: &Fields| fields.get("request_id").is_some_and(|id| id == "span-1");
    let mut spans = spans.iter().filter(|(_, fields)| is_its(fields));
    let (name, fields) = spans.next().unwrap();
    assert_eq!(name, "request");
    for (field, value) in [
        ("otel.kind", "server"),
        ("http.request.method", "GET"),
        ("url.path", "/api/v1/topics/t/messages"),
        ("url.scheme", "http"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(fields[field], value, "{fields:?}");
    }
}

#[tokio::test]
async fn the_trace_is_the_client_s() {
    events();
    let server = TestServer::start();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    for (id, traceparent, kept) in [
        ("trace-1", format!("00-{trace}-b7ad6b7169203331-01"), true),
        ("trace-2", format!("00-{trace}-b7ad6b7169203331"), false),
    ] {
        let headers = [("X-Request-ID", id), ("traceparent", &traceparent)];
        server.call("GET", "/api/v1/ping", &headers, "").await;
        let logged = &of_request(id)[0].1["trace_id"];
        assert_eq!(logged == trace, kept, "{traceparent}: {logged}");
    }
}

#[tokio::test]
async fn the_client_is_the_one_that_trusted_proxies_report() {
    events();
    let server = TestServer::with(|settings| settings.trusted_proxy_hops = 2);
    let forwarded = ("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.1");
    let headers = [("X-Request-ID", "log-client"), forwarded];
    server.call("GET", "/api/v1/ping", &headers, "").await;
    assert_eq!(of_request("log-client")[0].1["client"], "203.0.113.9");
    let server = TestServer::start();
    let headers = [("X-Request-ID", "log-spoof"), forwarded];
    server.call("GET", "/api/v1/ping", &headers, "").await;
    assert_eq!(of_request("log-spoof")[0].1["client"], "127.0.0.1");
}

/// The audit event of the request with this id; there is exactly one.
fn audited(id: &str) -> Fields {
    let events = of_request(id);
    let mut trail = events
        .into_iter()
        .filter(|(_, fields)| fields.contains_key("action"));
    let (level, fields) = trail.next().unwrap();
    assert_eq!((level, trail.next()), (Level::INFO, None));
    fields
}

#[tokio::test]
async fn each_deletion_and_each_revocation_leaves_one_audit_event() {
    events();
    let server = TestServer::with_access(AccessPolicy::protected(false), |_| {});
    let everything = "messages:delete tokens:revoke";
    let claims = samples::claims("carol", everything, &["*"]);
    server.tokens.set("carol", Ok(claims));
    let id = server.accept("t", "m").await;
    for _ in 0..2 {
        server.accept("t", "m").await;
    }
    let message = format!("/api/v1/topics/t/messages/{id}");
    let object = format!("t/{id}");
    let call = async |request_id: &str, path: &str, token: &str| {
        let headers = [("X-Request-ID", request_id), ("Authorization", token)];
        server.call("DELETE", path, &headers, "").await.status
    };
    for (request_id, path, status, action, object, outcome) in [
        (
            "audit-1",
            message.as_str(),
            204,
            "delete-message",
            object.as_str(),
            "done",
        ),
        (
            "audit-2",
            &message,
            404,
            "delete-message",
            &object,
            "absent",
        ),
        (
            "audit-6",
            "/api/v1/topics/t/messages?before=01ZZZZZZZZ0000000000000001",
            200,
            "delete-messages",
            "t?before=01ZZZZZZZZ0000000000000001",
            "done",
        ),
        (
            "audit-3",
            "/api/v1/tokens/id-9",
            204,
            "revoke-token",
            "id-9",
            "done",
        ),
    ] {
        assert_eq!(call(request_id, path, "Bearer carol").await, status);
        let event = audited(request_id);
        let shown = ["sub", "jti", "client", "action", "object", "outcome"];
        let shown = shown.map(|name| event[name].as_str());
        let expected = ["carol", "id-of-carol", "127.0.0.1", action, object, outcome];
        assert_eq!(shown, expected, "{request_id}");
        let count = event.get("count").map(String::as_str);
        assert_eq!(count, (action == "delete-messages").then_some("2"));
    }
    // An unknown outcome is logged as such.
    server.store_behaves(Behaviour::Panic);
    assert_eq!(call("audit-4", &message, "Bearer carol").await, 500);
    assert_eq!(audited("audit-4")["outcome"], "unknown");
    // A forbidden request has no audit event.
    assert_eq!(call("audit-5", &message, "Bearer other").await, 401);
    assert!(
        of_request("audit-5")
            .iter()
            .all(|(_, fields)| !fields.contains_key("action"))
    );
}

#[tokio::test]
async fn no_event_holds_a_token() {
    events();
    let server = TestServer::with_access(AccessPolicy::protected(true), |_| {});
    let claims = samples::claims("dave", "messages:read", &["*"]);
    server.tokens.set("whisper-it.and.nobody-hears", Ok(claims));
    for token in [
        "whisper-it.and.nobody-hears",
        "whisper-it.and.another",
        "whisper-it not-a-token",
    ] {
        let bearer = format!("Bearer {token}");
        for method in ["GET", "POST"] {
            let headers = [("Authorization", bearer.as_str())];
            let path = "/api/v1/topics/t/messages";
            server.call(method, path, &headers, "").await;
        }
    }
    let events = events().lock().unwrap();
    for (level, fields) in events.iter() {
        let shown = format!("{fields:?}");
        assert!(!shown.contains("whisper-it"), "{level} {shown}");
    }
}

#[tokio::test]
async fn no_event_above_debug_holds_a_messages_text() {
    events();
    let server = TestServer::start();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Request-ID", "log-text"),
    ];
    for body in [
        r#"{"message": "unspeakable-secret"}"#,
        r#"{"message": "unspeakable-secret", "foo": "unspeakable-secret"}"#,
        r#"{"message": "unspeakable-secret"#,
    ] {
        server.call("POST", "/api/v1/message", &headers, body).await;
    }
    assert_eq!(of_request("log-text").len(), 3);
    let events = events().lock().unwrap();
    for (level, fields) in events.iter().filter(|(level, _)| *level < Level::DEBUG) {
        let shown = format!("{fields:?}");
        assert!(!shown.contains("unspeakable-secret"), "{level} {shown}");
    }
}

#[tokio::test]
async fn a_stream_over_a_damaged_page_logs_it_once_and_retries() {
    events();
    let server = TestServer::start();
    let mut connection = server.connect().await;
    let path = "/api/v1/topics/t/stream";
    connection.request("GET", path, &[], b"").await;
    assert_eq!(connection.head().await.status, 200);
    assert!(connection.chunk().await.unwrap().starts_with(b"retry: "));
    let clock = Arc::clone(&server.clock);
    let passing = tokio::spawn(async move {
        loop {
            clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for (text, error, levels) in [
        (
            "first",
            StoreError::Unavailable("away-for-a-while".to_owned()),
            [Level::DEBUG; 3],
        ),
        (
            "second",
            StoreError::Corrupt("damaged-on-order".to_owned()),
            [Level::ERROR, Level::DEBUG, Level::DEBUG],
        ),
    ] {
        // The stream is woken, and reads the error first.
        server.store_behaves(Behaviour::Hang);
        server.store_directly("t", text).await;
        server.store.fail_next(levels.len(), error.clone());
        server.store_behaves(Behaviour::PassOn);
        let mut heard = String::new();
        while !heard.contains(text) {
            heard += std::str::from_utf8(&connection.chunk().await.unwrap()).unwrap();
        }
        let events = events().lock().unwrap();
        let of_error = events
            .iter()
            .filter(|(_, fields)| fields.get("error") == Some(&error.to_string()));
        let found: Vec<_> = of_error.clone().map(|(level, _)| *level).collect();
        assert_eq!(found, levels);
        for (_, fields) in of_error.filter(|(level, _)| *level == Level::ERROR) {
            assert_eq!(fields["topic"], "t");
            assert_eq!(fields["after"].len(), 26);
        }
    }
    passing.abort();
}
