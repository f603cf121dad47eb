//! Traces reach a collector, and an unreachable collector does not affect requests.

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::collector::Collector;
use crate::support::{PATIENCE, Server, run};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const TRACE_BYTES: [u8; 16] = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
const PARENT: &str = "b7ad6b7169203331";
const PARENT_BYTES: [u8; 8] = 0xb7ad_6b71_6920_3331_u64.to_be_bytes();

async fn post(server: &Server, text: &str, traceparent: &str) -> StatusCode {
    let request = server
        .client
        .post(format!("{}/api/v1/message", server.url))
        .header("traceparent", traceparent)
        .header("x-request-id", "traced")
        .json(&serde_json::json!({ "message": text }));
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_request_is_exported_in_the_trace_of_its_client() {
    let collector = Collector::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=a-key"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=mail"),
        ("APP_NAME", "inbox-of-tests"),
        // The span of a request does not depend on the log level.
        ("LOG_LEVEL", "info,posthorn_http=error"),
    ];
    let mut server = Server::start(&directory, &environment).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(
        post(&server, "nobody's business", &parent).await,
        StatusCode::CREATED
    );
    // The process exports the remaining spans at its end.
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    collector.receives("POST /otlp/v1/traces HTTP/1.1").await;
    collector.receives("POST /api/v1/message").await;
    collector.receives("store append").await;
    collector.receives(TRACE_BYTES).await;
    collector.receives(PARENT_BYTES).await;
    for text in [
        "inbox-of-tests",
        "team",
        "x-api-key: a-key",
        "service.version",
    ] {
        assert!(collector.holds(text), "{text}");
    }
    assert!(!collector.holds("nobody's business"));
    assert_eq!(server.logged("a-key"), 0);
}

#[tokio::test]
async fn the_log_and_the_traces_have_the_same_id() {
    let collector = Collector::start().await;
    let directory = TempDir::new().unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let server = Server::start(&directory, &environment).await;
    assert_eq!(
        post(&server, "text", "not a trace").await,
        StatusCode::CREATED
    );
    let mut id = None;
    posthorn_testkit::eventually(PATIENCE, async || {
        let log = server.log.lock().unwrap();
        let events = log
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut events = events.filter(|event: &Value| event["request_id"] == "traced");
        id = events.find_map(|event| event["trace_id"].as_str().map(ToOwned::to_owned));
        id.is_some()
    })
    .await;
    let id = u128::from_str_radix(&id.unwrap(), 16).unwrap();
    collector.receives(id.to_be_bytes()).await;
}

#[tokio::test]
async fn an_unreachable_collector_is_logged_once_and_delays_nothing() {
    let directory = TempDir::new().unwrap();
    let environment = [
        // No listener has this port.
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let mut server = Server::start(&directory, &environment).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let warnings = || server.logged("traces cannot be exported");
    posthorn_testkit::eventually(PATIENCE, async || {
        assert_eq!(post(&server, "text", &parent).await, StatusCode::CREATED);
        warnings() > 0
    })
    .await;
    for _ in 0..20 {
        assert_eq!(post(&server, "text", &parent).await, StatusCode::CREATED);
    }
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    posthorn_testkit::eventually(PATIENCE, async || server.logged("stopped") > 0).await;
    assert_eq!(server.logged("traces cannot be exported"), 1);
}

#[tokio::test]
async fn invalid_settings_of_traces_are_named() {
    let directory = TempDir::new().unwrap();
    for (name, value, said) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://me:hunter2@collector:4318",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "0 to 1"),
    ] {
        let (status, _, error) = run(directory.path(), &[], &[(name, value)]).await;
        assert_eq!(status.code(), Some(78), "{error}");
        assert!(error.contains(name) && error.contains(said), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
