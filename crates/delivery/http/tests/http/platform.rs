//! Health, probes and metrics, on one listener or two.

use std::time::Duration;

use std::net::SocketAddr;

use posthorn_application::{BackendError, Phase, StoreError};
use serde_json::json;

use crate::support::{Connection, TestServer};

#[tokio::test]
async fn health_is_503_when_a_configured_part_fails() {
    let server = TestServer::start();
    let now = "2026-11-23T00:00:00.000Z";
    server
        .cache
        .fail_next(usize::MAX, BackendError::Unavailable("away".to_owned()));
    let response = server.get("/api/v1/health").await;
    assert_eq!(response.status, 503);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert!(response.header("retry-after").is_some());
    assert_eq!(
        response.json(),
        json!({"status": "degraded", "timestamp": now, "version": "1.2.3",
            "checks": {"redis": "not_configured", "cache": "error", "store": "ok"}})
    );
    server
        .cache
        .fail_next(0, BackendError::Unavailable(String::new()));
    server
        .store
        .fail_next(usize::MAX, StoreError::Unavailable("away".to_owned()));
    server.clock.advance(Duration::from_secs(1));
    for path in ["/api/v1/health", "/api/health"] {
        let response = server.get(path).await;
        assert_eq!(response.status, 503);
        assert_eq!(response.json()["status"], "unhealthy");
        assert_eq!(response.json()["checks"]["store"], "error");
    }
}

#[tokio::test]
async fn probes_follow_the_life_of_the_process() {
    let server = TestServer::start();
    let probe = async |name: &str| server.get(&format!("/health/{name}")).await.status;
    let probes = async || {
        (
            probe("live").await,
            probe("ready").await,
            probe("startup").await,
        )
    };
    assert_eq!(probes().await, (200, 200, 200));
    server
        .store
        .fail_next(usize::MAX, StoreError::Full("disk".to_owned()));
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(probes().await, (200, 503, 200));
    server.store.fail_next(0, StoreError::Full(String::new()));
    server.lifecycle.advance(Phase::Draining);
    assert_eq!(probes().await, (200, 503, 200));
    let response = server.get("/health/ready").await;
    response.assert_problem(503, "not-ready");
}

#[tokio::test]
async fn liveness_checks_no_dependency() {
    let server = TestServer::start();
    server.get("/health/live").await;
    assert_eq!(server.store_operations(), 0);
    assert!(server.cache.calls().is_empty());
}

#[tokio::test]
async fn metrics_come_with_the_content_type_of_their_format() {
    let server = TestServer::start();
    let accept = ("Accept", "application/openmetrics-text");
    let response = server.call("GET", "/metrics", &[accept], "").await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.header("content-type"), Some(expected));
    assert_eq!(response.text(), "# EOF\n");
}

#[tokio::test]
async fn a_listener_for_metrics_has_probes_and_metrics_and_nothing_else() {
    let free_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TestServer::with(|settings| settings.metrics_addresses = vec![free_port]);
    let address = server.metrics_address.unwrap();
    let on_metrics = async |path: &str| {
        let mut connection = Connection::open(address).await;
        connection.request("GET", path, &[], b"").await;
        connection.response("GET").await
    };
    for path in [
        "/metrics",
        "/health/live",
        "/health/ready",
        "/health/startup",
    ] {
        assert_eq!(on_metrics(path).await.status, 200, "{path}");
    }
    for path in ["/", "/api/v1/ping", "/docs/"] {
        on_metrics(path).await.assert_problem(404, "not-found");
    }
    server
        .get("/metrics")
        .await
        .assert_problem(404, "not-found");
    for path in ["/health/live", "/health/ready", "/health/startup"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}
