//! The fields of the lines of requests and of streams.

use std::time::Duration;

use posthorn_application::{AccessPolicy, BackendError, StoreError};
use posthorn_testkit::{eventually, samples};
use tracing::Level;

use crate::logs::{Fields, events, of_request};
use crate::support::{Behaviour, TestServer};

const PATIENCE: Duration = Duration::from_mins(1);

/// The only event of a request.
#[track_caller]
fn line(id: &str) -> (Level, Fields) {
    let mut events = of_request(id);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[tokio::test]
async fn a_line_says_who_asked_for_what() {
    events();
    let server = TestServer::with_access(AccessPolicy::protected(false), |_| {});
    let claims = samples::claims("erin", "messages:read messages:write", &["*"]);
    server.tokens.set("erin", Ok(claims));
    let path = format!("/api/v1/topics/t/messages?limit={}", 7);
    let agent = format!("agent/{}", "ж".repeat(100));
    let headers = [
        ("X-Request-ID", "line-1"),
        ("Authorization", "Bearer erin"),
        ("User-Agent", agent.as_str()),
    ];
    server.call("GET", &path, &headers, "").await;
    let (_, fields) = line("line-1");
    for (name, expected) in [
        ("path", "/api/v1/topics/t/messages"),
        ("route", "/api/v1/topics/{topic}/messages"),
        ("topic", "t"),
        ("http_version", "1.1"),
        ("bytes_in", "0"),
        ("sub", "erin"),
        ("jti", "id-of-erin"),
    ] {
        assert_eq!(fields[name], expected, "{fields:?}");
    }
    assert!(fields["user_agent"].starts_with("agent/ж"), "{fields:?}");
    assert!(fields["user_agent"].len() <= 131, "{fields:?}");
    assert_eq!(fields["span_id"].len(), 16);
    for absent in ["code", "cause"] {
        assert!(!fields.contains_key(absent), "{fields:?}");
    }
    let shown = format!("{fields:?}");
    assert!(!shown.contains("limit"), "the query is left out: {shown}");
}

#[tokio::test]
async fn a_refused_request_names_its_topic_and_the_owner_of_its_valid_token() {
    events();
    let server = TestServer::with_access(AccessPolicy::protected(false), |_| {});
    let reader = samples::claims("fay", "messages:read", &["t"]);
    server.tokens.set("fay", Ok(reader));
    for (id, topic, of_topic) in [
        ("refused-1", "other", "messages"),
        ("refused-2", "t", "consumers"),
    ] {
        let headers = [("X-Request-ID", id), ("Authorization", "Bearer fay")];
        let path = format!("/api/v1/topics/{topic}/{of_topic}");
        let response = server.call("GET", &path, &headers, "").await;
        assert_eq!(response.status, 403);
        let (_, fields) = line(id);
        for (name, expected) in [("topic", topic), ("sub", "fay"), ("jti", "id-of-fay")] {
            assert_eq!(fields[name], expected, "{fields:?}");
        }
    }
}

#[tokio::test]
async fn the_line_of_failing_health_names_what_fails() {
    events();
    let server = TestServer::start();
    let away = BackendError::Unavailable("away".to_owned());
    server.cache.fail_next(usize::MAX, away);
    let headers = [("X-Request-ID", "failing-1")];
    let response = server.call("GET", "/api/v1/health", &headers, "").await;
    assert_eq!(response.status, 503);
    let (_, fields) = line("failing-1");
    assert_eq!(fields["cause"], "failing: cache", "{fields:?}");
    assert!(!fields.contains_key("code"), "{fields:?}");
}

#[tokio::test]
async fn a_line_has_the_topic_of_the_body_and_its_bytes() {
    events();
    let server = TestServer::start();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Request-ID", "line-2"),
    ];
    let body = r#"{"message": "hi", "topic": "of-the-body"}"#;
    server.call("POST", "/api/v1/message", &headers, body).await;
    let (_, fields) = line("line-2");
    assert_eq!(fields["topic"], "of-the-body");
    assert_eq!(fields["bytes_in"], body.len().to_string());
    assert!(!fields.contains_key("sub"), "{fields:?}");
}

#[tokio::test]
async fn a_long_path_is_cut_and_errors_have_their_code() {
    events();
    let server = TestServer::start();
    let headers = [("X-Request-ID", "line-3")];
    let path = format!("/{}", "a".repeat(1000));
    server.call("GET", &path, &headers, "").await;
    let (level, fields) = line("line-3");
    assert_eq!((level, fields["path"].len()), (Level::INFO, 256));
    assert_eq!(fields["code"], "not-found");
    assert!(!fields.contains_key("cause"), "{fields:?}");
}

#[tokio::test]
async fn a_failure_of_the_server_has_its_cause() {
    events();
    let server = TestServer::with(|settings| settings.max_streams = 0);
    let call = async |id: &str, path: &str| {
        let headers = [("X-Request-ID", id)];
        server.call("GET", path, &headers, "").await;
        let (level, fields) = line(id);
        assert_eq!(level, Level::ERROR);
        (fields["code"].clone(), fields["cause"].clone())
    };
    let error = StoreError::Unavailable("the disk is away".to_owned());
    server.store.fail_next(1, error.clone());
    let expected = ("store-unavailable".to_owned(), error.to_string());
    assert_eq!(call("line-4", "/api/v1/topics").await, expected);
    let expected = ("overloaded".to_owned(), "MAX_STREAMS".to_owned());
    assert_eq!(call("line-5", "/api/v1/topics/t/stream").await, expected);
    server.store_behaves(Behaviour::Panic);
    let expected = ("internal".to_owned(), "panicked".to_owned());
    assert_eq!(call("line-6", "/api/v1/topics").await, expected);
}

#[tokio::test]
async fn a_request_that_is_cut_off_has_a_line() {
    events();
    let server = TestServer::with(|settings| settings.shutdown_timeout = Duration::from_secs(1));
    server.store_behaves(Behaviour::Hang);
    let mut connection = server.connect().await;
    let headers = [("X-Request-ID", "line-7")];
    connection
        .request("GET", "/api/v1/topics", &headers, b"")
        .await;
    eventually(PATIENCE, async || server.store_operations() > 0).await;
    let (running, _parts) = server.into_parts();
    running.stop().await;
    // The worker that is stopped drops the request in its own time.
    eventually(PATIENCE, async || !of_request("line-7").is_empty()).await;
    let (level, fields) = line("line-7");
    let message = fields["message"].as_str();
    assert_eq!((level, message), (Level::INFO, "request abandoned"));
    assert_eq!(fields["route"], "/api/v1/topics");
    assert!(!fields.contains_key("status"), "{fields:?}");
}

#[tokio::test]
async fn the_end_of_a_stream_is_logged_with_its_reason() {
    events();
    let server = TestServer::with_access(AccessPolicy::protected(false), |_| {});
    let claims = samples::claims("frank", "messages:read messages:write", &["*"]);
    server.tokens.set("frank", Ok(claims));
    server.store_directly("t", "one").await;
    server.store_directly("t", "two").await;
    let zeros = "0".repeat(26);
    for (id, reason) in [("stream-1", "client"), ("stream-2", "shutdown")] {
        let mut connection = server.connect().await;
        let path = format!("/api/v1/topics/t/stream?after={zeros}");
        let headers = [("X-Request-ID", id), ("Authorization", "Bearer frank")];
        connection.request("GET", &path, &headers, b"").await;
        assert_eq!(connection.head().await.status, 200);
        let mut heard = String::new();
        while !heard.contains("two") {
            heard += std::str::from_utf8(&connection.chunk().await.unwrap()).unwrap();
        }
        if reason == "shutdown" {
            server.stop_streams.send_replace(true);
        } else {
            drop(connection);
        }
        eventually(PATIENCE, async || of_request(id).len() == 2).await;
        let (level, fields) = of_request(id).remove(1);
        assert_eq!(level, Level::INFO);
        for (name, expected) in [
            ("message", "stream ended"),
            ("topic", "t"),
            ("messages", "2"),
            ("reason", reason),
            ("sub", "frank"),
            ("client", "127.0.0.1"),
        ] {
            assert_eq!(fields[name], expected, "{fields:?}");
        }
        assert!(
            fields["bytes"].parse::<usize>().unwrap() > 100,
            "{fields:?}"
        );
        assert!(fields.contains_key("duration_s"), "{fields:?}");
    }
}
