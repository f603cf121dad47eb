//! Authorization: the responses to tokens, their metrics and their logs.

use std::time::Duration;

use posthorn_application::{AccessPolicy, BackendError};
use posthorn_application::{Clock, TokenError};
use posthorn_domain::{MAX_TOKEN_LIFETIME, TOKEN_LEEWAY, Timestamp, TokenId};
use posthorn_testkit::{eventually, samples};

use crate::support::{Response, TestServer};

const TOPIC: &str = "/api/v1/topics/house.hall/messages";
const EVERYTHING: &str = "messages:read messages:write messages:delete tokens:revoke";

fn protected() -> TestServer {
    let server = TestServer::with_access(AccessPolicy::protected(true), |_| {});
    let alice = samples::claims("alice", EVERYTHING, &["house.*", "inbox"]);
    server.tokens.set("alice", Ok(alice));
    let admin = samples::claims("admin", EVERYTHING, &["*"]);
    server.tokens.set("admin", Ok(admin));
    server
}

async fn call(server: &TestServer, method: &str, path: &str, token: &str) -> Response {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Accept-Language", "en"),
    ];
    server.call(method, path, &headers, "").await
}

#[track_caller]
fn assert_challenge(response: &Response, expected: &str) {
    let challenge = response.header("www-authenticate");
    assert_eq!(challenge, Some(expected), "{response:?}");
}

#[tokio::test]
async fn a_missing_token_is_asked_for_with_the_scope_it_needs() {
    let server = protected();
    let response = server.get(TOPIC).await;
    response.assert_problem(401, "unauthorized");
    assert_challenge(
        &response,
        r#"Bearer realm="posthorn", scope="messages:read""#,
    );
    let headers = [("Authorization", "Basic YTpi")];
    let response = server.call("GET", TOPIC, &headers, "").await;
    assert_challenge(
        &response,
        r#"Bearer realm="posthorn", scope="messages:read""#,
    );
    assert_eq!(server.recorder.refused(), ["missing", "missing"]);
}

#[tokio::test]
async fn an_invalid_token_is_rejected_with_its_reason_even_if_none_is_required() {
    let server = protected();
    for (error, reason) in [
        (TokenError::TooLong, "the token is too long"),
        (TokenError::Malformed, "the token is malformed"),
        (
            TokenError::Algorithm,
            "the token is signed by another algorithm than HS256",
        ),
        (TokenError::Signature, "the token's signature is not valid"),
        (TokenError::Expired, "the token has expired"),
        (TokenError::NotYet, "the token is not valid yet"),
        (
            TokenError::TooLongLived,
            "the token is valid for longer than tokens may be",
        ),
        (TokenError::Audience, "the token is for another audience"),
        (
            TokenError::Claim("sub"),
            "the token's claim `sub` is missing or not valid",
        ),
    ] {
        server.tokens.set("bad", Err(error));
        for path in [TOPIC, "/api/v1/ping", "/api/ping"] {
            let response = call(&server, "GET", path, "bad").await;
            let problem = response.assert_problem(401, "unauthorized");
            let detail = format!("The token is invalid: {reason}.");
            assert_eq!(problem["detail"], detail.as_str());
            let challenge = format!(
                r#"Bearer realm="posthorn", error="invalid_token", error_description="{reason}""#
            );
            assert_challenge(&response, &challenge);
            assert_eq!(server.recorder.refused().last(), Some(&error.as_str()));
        }
        // Probes and pages ignore tokens.
        for path in ["/health/live", "/metrics", "/"] {
            assert_eq!(
                call(&server, "GET", path, "bad").await.status,
                200,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_malformed_authorization_is_rejected_as_an_invalid_token() {
    let server = protected();
    for value in ["Bearer", "Bearer a b", "bearer ,", "Bearer \u{44f}"] {
        let response = server
            .call("GET", TOPIC, &[("Authorization", value)], "")
            .await;
        response.assert_problem(401, "unauthorized");
        let challenge = response.header("www-authenticate").unwrap();
        assert!(challenge.contains("invalid_token"), "{value}: {challenge}");
    }
    let two = [
        ("Authorization", "Bearer alice"),
        ("Authorization", "Bearer admin"),
    ];
    let response = server.call("GET", TOPIC, &two, "").await;
    response.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_forbidden_response_names_the_missing_scope_or_topic() {
    let server = protected();
    let reader = samples::claims("reader", "messages:read", &["house.*"]);
    server.tokens.set("reader", Ok(reader));
    let response = call(&server, "POST", TOPIC, "reader").await;
    let problem = response.assert_problem(403, "forbidden");
    assert_eq!(
        problem["detail"],
        "The token lacks the scope messages:write."
    );
    let challenge =
        r#"Bearer realm="posthorn", error="insufficient_scope", scope="messages:write""#;
    assert_challenge(&response, challenge);
    let response = call(&server, "GET", "/api/v1/topics/garden/messages", "reader").await;
    let problem = response.assert_problem(403, "forbidden");
    let detail = "The token does not permit messages:read on the topic garden.";
    assert_eq!(problem["detail"], detail);
    assert_eq!(server.recorder.refused(), ["scope", "topic"]);
}

#[tokio::test]
async fn the_topic_of_a_body_is_checked_as_that_of_a_path() {
    let server = protected();
    let headers = [
        ("Authorization", "Bearer alice"),
        ("Content-Type", "application/json"),
    ];
    for (body, status) in [
        (r#"{"message":"m","topic":"house.hall"}"#, 201),
        (r#"{"message":"m"}"#, 201),
        (r#"{"message":"m","topic":"garden"}"#, 403),
        (r#"{"message":"","topic":"garden"}"#, 400),
    ] {
        for path in ["/api/v1/message", "/api/message"] {
            let response = server.call("POST", path, &headers, body).await;
            assert_eq!(response.status, status, "{path} {body}");
        }
    }
    assert!(server.recorder.rejected().contains(&"forbidden"));
}

#[tokio::test]
async fn topics_that_a_token_does_not_permit_are_not_listed() {
    let server = protected();
    for topic in ["a", "garden", "house.hall", "house.roof", "house.yard", "z"] {
        server.store_directly(topic, "m").await;
    }
    let page = call(&server, "GET", "/api/v1/topics?limit=2", "alice")
        .await
        .json();
    let names = |page: &serde_json::Value| -> Vec<String> {
        let topics = page["topics"].as_array().unwrap();
        topics
            .iter()
            .map(|topic| topic["topic"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&page), ["house.hall", "house.roof"]);
    let next = page["next"].as_str().unwrap();
    assert_eq!(next, "/api/v1/topics?after=house.roof&limit=2");
    let page = call(&server, "GET", next, "alice").await.json();
    assert_eq!(names(&page), ["house.yard"]);
    assert!(page["next"].is_null());
    let page = call(&server, "GET", "/api/v1/topics", "admin").await.json();
    assert_eq!(names(&page).len(), 6);
}

#[tokio::test]
async fn a_revoked_token_is_rejected_and_its_end_is_believed_only_if_it_is_later() {
    let server = protected();
    assert_eq!(call(&server, "GET", TOPIC, "alice").await.status, 200);
    let end = server.clock.now().as_millis() / 1000 + 1800;
    let path = format!("/api/v1/tokens/id-of-alice?exp={end}");
    assert_eq!(call(&server, "DELETE", &path, "admin").await.status, 204);
    let response = call(&server, "GET", TOPIC, "alice").await;
    let problem = response.assert_problem(401, "unauthorized");
    assert_eq!(
        problem["detail"],
        "The token is invalid: the token was revoked."
    );
    assert_eq!(call(&server, "GET", TOPIC, "admin").await.status, 200);
    let id = TokenId::parse("id-of-alice").unwrap();
    let longest = server.clock.now().saturating_add(MAX_TOKEN_LIFETIME);
    let expected = longest.saturating_add(TOKEN_LEEWAY);
    assert_eq!(server.revocations.end_of(&id), Some(expected));
    let end = longest.as_millis() / 1000 + 1800;
    let path = format!("/api/v1/tokens/id-of-alice?exp={end}");
    assert_eq!(call(&server, "DELETE", &path, "admin").await.status, 204);
    let expected = Timestamp::from_millis(end * 1000).saturating_add(TOKEN_LEEWAY);
    assert_eq!(server.revocations.end_of(&id), Some(expected));
}

#[tokio::test]
async fn a_revocation_without_an_end_lasts_as_long_as_any_token() {
    let server = protected();
    let response = call(&server, "DELETE", "/api/v1/tokens/id-1", "admin").await;
    assert_eq!(response.status, 204);
    let longest = server.clock.now().saturating_add(MAX_TOKEN_LIFETIME);
    let id = TokenId::parse("id-1").unwrap();
    let expected = longest.saturating_add(TOKEN_LEEWAY);
    assert_eq!(server.revocations.end_of(&id), Some(expected));
    let path = "/api/v1/tokens/id-1?exp=soon";
    let problem = call(&server, "DELETE", path, "admin").await;
    let problem = problem.assert_problem(400, "validation-failed");
    assert_eq!(problem["errors"][0]["field"], "exp");
    let response = call(&server, "DELETE", "/api/v1/tokens/a%20b", "admin").await;
    response.assert_problem(404, "not-found");
}

#[tokio::test]
async fn a_failing_revocation_list_rejects_every_token() {
    let server = protected();
    let error = BackendError::Unavailable("on order".to_owned());
    server.revocations.fail_next(1, error.clone());
    let response = call(&server, "GET", TOPIC, "alice").await;
    response.assert_problem(503, "store-unavailable");
    server
        .revocations
        .fail_next(2, BackendError::Failed("on order".to_owned()));
    let response = call(&server, "GET", TOPIC, "alice").await;
    response.assert_problem(500, "internal");
    assert_eq!(call(&server, "GET", TOPIC, "alice").await.status, 500);
    assert_eq!(call(&server, "GET", TOPIC, "alice").await.status, 200);
}

#[tokio::test]
async fn a_client_with_too_many_invalid_tokens_is_throttled() {
    let server = protected();
    for _ in 0..300 {
        assert_eq!(call(&server, "GET", TOPIC, "bad").await.status, 401);
    }
    let response = call(&server, "GET", TOPIC, "bad").await;
    let problem = response.assert_problem(429, "rate-limited");
    let violated = serde_json::json!(["auth-failures-per-minute"]);
    assert_eq!(problem["violated-policies"], violated);
    for (name, value) in [
        (
            "ratelimit-policy",
            "\"auth-failures-per-minute\";q=300;w=60",
        ),
        ("ratelimit", "\"auth-failures-per-minute\";r=0;t=60"),
        ("x-ratelimit-limit", "300"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1795392060"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(server.recorder.refused().last(), Some(&"throttled"));
    // Requests with a valid token and without a token are not affected.
    assert_eq!(call(&server, "GET", TOPIC, "alice").await.status, 200);
    assert_eq!(server.get("/api/v1/ping").await.status, 200);
    server.get(TOPIC).await.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    for revoked in [true, false] {
        let server = protected();
        let mut connection = server.connect().await;
        let headers = [("Authorization", "Bearer alice")];
        let path = "/api/v1/topics/house.hall/stream";
        connection.request("GET", path, &headers, b"").await;
        assert_eq!(connection.head().await.status, 200);
        let greeting = connection.chunk().await.unwrap();
        assert!(greeting.starts_with(b"retry:"), "{greeting:?}");
        if revoked {
            let response = call(&server, "DELETE", "/api/v1/tokens/id-of-alice", "admin").await;
            assert_eq!(response.status, 204);
            server.clock.wait_for_sleepers(1).await;
            server.clock.advance(Duration::from_secs(2));
        } else {
            server.clock.wait_for_sleepers(1).await;
            server.clock.advance(Duration::from_hours(2));
        }
        let end = connection.chunk().await.unwrap();
        assert!(end.starts_with(b"event: bye"), "{end:?}");
        assert_eq!(connection.chunk().await, None);
        let recorder = &server.recorder;
        eventually(Duration::from_mins(1), async || recorder.streams() == 0).await;
    }
}

#[tokio::test]
async fn a_waiting_pull_ends_with_its_token() {
    let server = protected();
    let worker = samples::claims("worker", "messages:consume", &["*"]);
    server.tokens.set("worker", Ok(worker));
    let mut connection = server.connect().await;
    let headers = [
        ("Authorization", "Bearer worker"),
        ("Content-Type", "application/json"),
    ];
    let path = "/api/v1/topics/house.hall/consumers/idle/pull";
    let body = br#"{"wait_seconds": 20}"#;
    connection.request("POST", path, &headers, body).await;
    // The end of the wait, and the next check of the token.
    server.clock.wait_for_sleepers(2).await;
    let revoked = call(&server, "DELETE", "/api/v1/tokens/id-of-worker", "admin").await;
    assert_eq!(revoked.status, 204);
    server.clock.advance(Duration::from_secs(2));
    let response = connection.response("POST").await;
    assert_eq!(response.body, br#"{"messages":[]}"#);
    connection.request("POST", path, &headers, body).await;
    let response = connection.response("POST").await;
    response.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_stream_with_a_valid_token_continues() {
    let server = protected();
    let mut connection = server.connect().await;
    let headers = [("Authorization", "Bearer alice")];
    let path = "/api/v1/topics/house.hall/stream";
    connection.request("GET", path, &headers, b"").await;
    connection.head().await;
    connection.chunk().await.unwrap();
    // The token is checked more often than a heartbeat is sent.
    for _ in 0..8 {
        server.clock.wait_for_sleepers(1).await;
        server.clock.advance(Duration::from_secs(2));
    }
    assert_eq!(connection.chunk().await.unwrap(), b":\n\n");
    server.store_directly("house.hall", "still here").await;
    let chunk = connection.chunk().await.unwrap();
    assert!(chunk.windows(10).any(|part| part == b"still here"));
}

#[tokio::test]
async fn the_page_shows_whether_access_is_open() {
    let open = TestServer::start();
    let headers = [("Accept-Language", "en")];
    let text = |response: Response| String::from_utf8(response.body).unwrap();
    let page = text(open.call("GET", "/", &headers, "").await);
    assert!(page.contains("Access is open"), "{page}");
    let page = text(protected().call("GET", "/", &headers, "").await);
    assert!(!page.contains("Access is open"), "{page}");
}
