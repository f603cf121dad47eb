//! The responses of the original service that the unversioned paths keep.

use serde_json::{Value, json};

use crate::support::TestServer;

/// Posts `body` to the original's path and compares status and `error`.
#[track_caller]
fn check_error(body: impl Into<Vec<u8>>, error: Value) -> impl Future<Output = ()> {
    let (body, caller) = (body.into(), std::panic::Location::caller());
    async move {
        let server = TestServer::start();
        let response = server.post("/api/message", &body).await;
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(response.status, 400, "{caller}: {shown}");
        assert_eq!(response.json()["error"], error, "{caller}: {shown}");
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
    }
}

#[tokio::test]
async fn a_rejected_message_has_the_originals_texts() {
    let length = json!({"message": ["Length must be between 1 and 1000."]});
    check_error(r#"{"message": ""}"#, length.clone()).await;
    check_error(r#"{"message": "   "}"#, length.clone()).await;
    let too_long = json!({"message": "x".repeat(1001)}).to_string();
    check_error(too_long, length).await;
    check_error("{}", json!({"message": ["Поле message обязательно"]})).await;
    let no_string = json!({"message": ["Not a valid string."]});
    check_error(r#"{"message": 5}"#, no_string.clone()).await;
    check_error(r#"{"message": ["a"]}"#, no_string).await;
    check_error(
        r#"{"message": null}"#,
        json!({"message": ["Field may not be null."]}),
    )
    .await;
    check_error(
        r#"{"message": "a", "foo": 1}"#,
        json!({"foo": ["Unknown field."]}),
    )
    .await;
    check_error("[]", json!({"_schema": ["Invalid input type."]})).await;
    check_error("null", json!("Failed to decode JSON object")).await;
    check_error("not JSON", json!("Failed to decode JSON object")).await;
    check_error("", json!("Failed to decode JSON object")).await;
    check_error(
        r#"{"message": "\ud83d"}"#,
        json!("Failed to decode JSON object"),
    )
    .await;
}

#[tokio::test]
async fn nul_is_no_text_any_more() {
    let server = TestServer::start();
    for path in ["/api/message", "/api/v1/message"] {
        let response = server.post(path, r#"{"message": "a\u0000b"}"#).await;
        response.assert_problem(400, "validation-failed");
        let response = server.post(path, b"{\"message\": \"a\0b\"}").await;
        response.assert_problem(400, "malformed-json");
    }
}

#[tokio::test]
async fn a_text_is_returned_trimmed_and_otherwise_unchanged() {
    let server = TestServer::start();
    let padded = format!("  {}  ", "x".repeat(998));
    for (text, kept) in [
        ("  привет,  мир 👋 \n", "привет,  мир 👋"),
        ("a\n\tb", "a\n\tb"),
        (&padded, padded.trim()),
        (&"я".repeat(1000), &"я".repeat(1000)),
    ] {
        let response = server
            .post("/api/message", json!({ "message": text }).to_string())
            .await;
        assert_eq!(response.status, 201, "{text}");
        let receipt = response.json();
        assert_eq!(receipt["message"], format!("Сообщение получено: {kept}"));
        assert_eq!(receipt["success"], true);
        assert_eq!(receipt["pod"], "pod-7");
        assert_eq!(receipt["processed_at"], "2026-11-23T00:00:00.000Z");
    }
}

#[tokio::test]
async fn another_content_type_is_refused_with_400_here_and_with_415_under_v1() {
    let server = TestServer::start();
    for headers in [&[][..], &[("Content-Type", "text/plain")]] {
        let body = r#"{"message": "a"}"#;
        let response = server.call("POST", "/api/message", headers, body).await;
        let problem = response.assert_problem(400, "unsupported-media-type");
        assert_eq!(problem["error"], "Request must be JSON");
        let response = server.call("POST", "/api/v1/message", headers, body).await;
        let problem = response.assert_problem(415, "unsupported-media-type");
        assert!(problem.get("error").is_none());
    }
}

#[tokio::test]
async fn unknown_paths_under_api_return_the_originals_error() {
    let server = TestServer::start();
    for path in [
        "/api/nowhere",
        "/api/ping/",
        "/api/v2/ping",
        "/api/message/",
        "/api/",
    ] {
        let problem = server.get(path).await.assert_problem(404, "not-found");
        assert_eq!(problem["error"], "Endpoint not found", "{path}");
        assert_eq!(problem["instance"], path);
    }
    for path in [
        "/nowhere",
        "/api/v1/nowhere",
        "/api/v1/ping/",
        "/api/v1",
        "/api",
    ] {
        let problem = server.get(path).await.assert_problem(404, "not-found");
        assert!(problem.get("error").is_none(), "{path}");
    }
}

#[tokio::test]
async fn its_paths_behave_like_their_successors_and_link_to_them() {
    let server = TestServer::start();
    for name in ["info", "ping", "health"] {
        let (old, new) = (format!("/api/{name}"), format!("/api/v1/{name}"));
        let response = server.get(&old).await;
        assert_eq!(response.json(), server.get(&new).await.json(), "{name}");
        check_deprecated(&response, &new);
    }
    let response = server.post("/api/message", r#"{"message": "a"}"#).await;
    assert_eq!(response.status, 201);
    check_deprecated(&response, "/api/v1/message");
    // Errors are deprecated as well.
    let response = server.post("/api/message", "{}").await;
    check_deprecated(&response, "/api/v1/message");
    let response = server.call("PUT", "/api/ping", &[], "").await;
    check_deprecated(&response, "/api/v1/ping");
    assert_eq!(server.get("/api/v1/ping").await.header("deprecation"), None);
}

#[track_caller]
fn check_deprecated(response: &crate::support::Response, successor: &str) {
    let link = format!(
        "<{successor}>; rel=\"successor-version\", </docs/>; rel=\"deprecation\"; type=\"text/html\""
    );
    assert_eq!(response.header("link"), Some(link.as_str()), "{response:?}");
    let since = response.header("deprecation").unwrap();
    let since: u64 = since.strip_prefix('@').unwrap().parse().unwrap();
    assert!(since > 0);
}

#[tokio::test]
async fn info_ping_and_health_have_the_originals_members() {
    let server = TestServer::start();
    let now = "2026-11-23T00:00:00.000Z";
    assert_eq!(
        server.get("/api/info").await.json(),
        json!({"name": "posthorn", "version": "1.2.3", "environment": "testing",
            "pod_name": "pod-7", "timestamp": now})
    );
    assert_eq!(
        server.get("/api/ping").await.json(),
        json!({"pong": true, "timestamp": now})
    );
    assert_eq!(
        server.get("/api/health").await.json(),
        json!({"status": "healthy", "timestamp": now, "version": "1.2.3",
            "checks": {"redis": "not_configured", "cache": "ok", "store": "ok"}})
    );
}

#[tokio::test]
async fn info_stands_still_for_300_seconds_and_ping_does_not() {
    use std::time::Duration;
    let server = TestServer::start();
    let at = async |path: &str| server.get(path).await.json()["timestamp"].clone();
    let first = at("/api/info").await;
    server.clock.advance(Duration::from_secs(299));
    assert_eq!(at("/api/info").await, first);
    assert_eq!(at("/api/ping").await, "2026-11-23T00:04:59.000Z");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(at("/api/info").await, "2026-11-23T00:05:00.000Z");
}

#[tokio::test]
async fn the_old_addresses_of_the_documentation_lead_to_the_new_ones() {
    let server = TestServer::start();
    let response = server.get("/apidocs/").await;
    assert_eq!(response.status, 308);
    assert_eq!(response.header("location"), Some("/docs/"));
    let old = server.get("/apispec_1.json").await;
    assert_eq!(old.status, 200);
    assert_eq!(
        old.json(),
        server.get("/api-docs/openapi.json").await.json()
    );
}

#[tokio::test]
async fn an_encoded_path_equals_its_decoded_form() {
    let server = TestServer::start();
    let plain = [("Content-Type", "text/plain")];
    for path in ["/%61pi/message", "/api/%6dessage"] {
        let response = server.call("POST", path, &plain, "a").await;
        // As the original responded to another media type.
        assert_eq!(response.status, 400, "{path}");
        assert!(response.json()["error"].is_string(), "{path}");
        assert_eq!(response.json()["instance"], path);
        assert!(response.header("deprecation").is_some(), "{path}");
    }
    for path in ["/api/%761/ping", "/%61pi/v1/ping", "/api/v1/pin%67"] {
        let response = server.call("PUT", path, &[], "").await;
        let problem = response.assert_problem(405, "method-not-allowed");
        assert_eq!(problem.get("error"), None, "{path}");
        assert_eq!(response.header("deprecation"), None, "{path}");
    }
    let response = server.get("/%61pi/nowhere").await;
    let problem = response.assert_problem(404, "not-found");
    assert!(problem["error"].is_string());
}
