//! Accepting a message: receipts, retries, and every problem at once.

use std::time::Duration;

use posthorn_application::StoreError;
use posthorn_domain::Charset;
use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const MESSAGE: &str = "/api/v1/message";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The failing fields of a rejected message with their codes, sorted.
fn failing(response: &Response) -> Vec<(String, String)> {
    let problem = response.assert_problem(400, "validation-failed");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap().iter();
    let mut errors: Vec<_> = errors
        .map(|error| (text(&error["field"]), text(&error["code"])))
        .collect();
    errors.sort();
    errors
}

#[track_caller]
fn check_failing(response: &Response, expected: &[(&str, &str)]) {
    let found = failing(response);
    let found: Vec<_> = found
        .iter()
        .map(|(field, code)| (field.as_str(), code.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_receipt_is_complete_and_has_the_location() {
    let server = TestServer::start();
    let response = server
        .post(MESSAGE, r#"{"message": " hello ", "topic": "a.b_c-1"}"#)
        .await;
    assert_eq!(response.status, 201);
    assert_eq!(response.header("content-type"), Some("application/json"));
    let receipt = response.json();
    let id = receipt["id"].as_str().unwrap().to_owned();
    assert_eq!(
        receipt,
        json!({"success": true, "message": "Сообщение получено: hello",
            "processed_at": "2026-11-23T00:00:00.000Z", "pod": "pod-7",
            "id": id, "topic": "a.b_c-1", "durability": "memory"})
    );
    let location = format!("/api/v1/topics/a.b_c-1/messages/{id}");
    assert_eq!(response.header("location"), Some(location.as_str()));
    let message = server.get(&location).await;
    assert_eq!(message.json()["message"], "hello");
}

#[tokio::test]
async fn the_topic_is_inbox_unless_body_or_path_name_one() {
    let server = TestServer::start();
    let topic = async |path: &str, body: &str| {
        let response = server.post(path, body).await;
        assert_eq!(response.status, 201, "{response:?}");
        response.json()["topic"].as_str().unwrap().to_owned()
    };
    let bare = r#"{"message": "a"}"#;
    assert_eq!(topic(MESSAGE, bare).await, "inbox");
    assert_eq!(topic("/api/v1/topics/t/messages", bare).await, "t");
    let named = r#"{"message": "a", "topic": "t"}"#;
    assert_eq!(topic(MESSAGE, named).await, "t");
    assert_eq!(topic("/api/v1/topics/t/messages", named).await, "t");
    let response = server.post("/api/v1/topics/u/messages", named).await;
    check_failing(&response, &[("topic", "topic-mismatch")]);
    let response = server.post("/api/v1/topics/No/messages", bare).await;
    check_failing(&response, &[("topic", "pattern")]);
    assert_eq!(
        server.recorder.rejected(),
        ["validation-failed", "validation-failed"]
    );
}

#[tokio::test]
async fn the_receipt_speaks_the_clients_language() {
    let server = TestServer::start();
    let english = TestServer::with(|settings| settings.default_locale = posthorn_http::Locale::En);
    let (ru, en) = ("Сообщение получено: a", "Message received: a");
    for (server, language, expected) in [
        (&server, None, ru),
        (&server, Some("en"), en),
        (&server, Some("de-DE, en-GB;q=0.7, ru;q=0.3"), en),
        (&server, Some("en;q=0.1, ru-RU"), ru),
        (&server, Some("de"), ru),
        (&english, None, en),
        (&english, Some("ru"), ru),
        (&english, Some("*"), en),
    ] {
        let mut headers = vec![JSON];
        headers.extend(language.map(|language| ("Accept-Language", language)));
        let response = server
            .call("POST", MESSAGE, &headers, r#"{"message": "a"}"#)
            .await;
        assert_eq!(response.json()["message"], expected, "{language:?}");
    }
}

#[tokio::test]
async fn every_failing_field_is_named_at_once_in_the_clients_language() {
    let server = TestServer::start();
    let body = json!({"message": 1, "topic": "No", "extra": {},
        "attributes": {"K": "v", "k": 1, "n": null, "l": "x".repeat(257), "c": "\u{7}"}});
    let headers = [JSON, ("Accept-Language", "en"), ("Idempotency-Key", "a b")];
    let response = server
        .call("POST", MESSAGE, &headers, body.to_string())
        .await;
    check_failing(
        &response,
        &[
            ("Idempotency-Key", "idempotency-key"),
            ("attributes.K", "pattern"),
            ("attributes.c", "control-character"),
            ("attributes.k", "not-a-string"),
            ("attributes.l", "length"),
            ("attributes.n", "null"),
            ("extra", "unknown-field"),
            ("message", "not-a-string"),
            ("topic", "pattern"),
        ],
    );
    let problem = response.json();
    assert!(problem.get("error").is_none());
    let errors = problem["errors"].as_array().unwrap();
    let message = errors.iter().find(|error| error["field"] == "message");
    assert_eq!(message.unwrap()["message"], "Not a valid string.");
    let russian = server.post(MESSAGE, "{}").await.json();
    assert_eq!(russian["errors"][0]["message"], "Поле message обязательно");
    assert_eq!(server.recorder.rejected().len(), 2);
}

#[tokio::test]
async fn a_topic_mismatch_is_reported_with_every_other_problem() {
    let server = TestServer::start();
    let response = server
        .post("/api/v1/topics/t/messages", r#"{"topic": "u", "foo": 1}"#)
        .await;
    check_failing(
        &response,
        &[
            ("foo", "unknown-field"),
            ("message", "required"),
            ("topic", "topic-mismatch"),
        ],
    );
    let response = server.post("/api/v1/topics/T/messages", "{}").await;
    check_failing(&response, &[("message", "required"), ("topic", "pattern")]);
}

#[tokio::test]
async fn no_member_may_be_there_twice() {
    let server = TestServer::start();
    for (body, expected) in [
        (
            r#"{"message": "a", "message": "b"}"#,
            &[("message", "duplicate-field")][..],
        ),
        (
            r#"{"message": "a", "attributes": {"k": "1", "k": "2"}}"#,
            &[("attributes.k", "duplicate-field")],
        ),
        (
            r#"{"message": "a", "topic": "t", "topic": 5, "foo": 1}"#,
            &[("foo", "unknown-field"), ("topic", "duplicate-field")],
        ),
    ] {
        check_failing(&server.post(MESSAGE, body).await, expected);
    }
}

#[tokio::test]
async fn a_malformed_idempotency_key_is_rejected() {
    let server = TestServer::start();
    let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
    for (key, fits) in [
        ("k", true),
        ("!~", true),
        (&longest, true),
        (&too_long, false),
        ("a b", false),
        ("", false),
        ("ключ", false),
    ] {
        let headers = [JSON, ("Idempotency-Key", key)];
        let response = server
            .call("POST", MESSAGE, &headers, r#"{"message": "a"}"#)
            .await;
        if fits {
            assert_eq!(response.status, 201, "{key}");
        } else {
            check_failing(&response, &[("Idempotency-Key", "idempotency-key")]);
        }
    }
    let twice = [JSON, ("Idempotency-Key", "a"), ("Idempotency-Key", "a")];
    let response = server
        .call("POST", MESSAGE, &twice, r#"{"message": "a"}"#)
        .await;
    check_failing(&response, &[("Idempotency-Key", "idempotency-key")]);
}

#[tokio::test]
async fn a_retry_gets_the_first_receipt_and_another_body_422() {
    let server = TestServer::start();
    let send = async |body: &str| {
        let headers = [JSON, ("Idempotency-Key", "key-1")];
        server.call("POST", MESSAGE, &headers, body).await
    };
    let first = send(r#"{"message": "a"}"#).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("idempotency-replayed"), None);
    server.clock.advance(Duration::from_secs(1));
    let again = send(r#"{"message": " a "}"#).await;
    assert_eq!(again.status, 201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("location"), first.header("location"));
    send(r#"{"message": "b"}"#)
        .await
        .assert_problem(422, "idempotency-key-reused");
    let page = server.get("/api/v1/topics/inbox/messages").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    assert_eq!(server.recorder.rejected(), ["idempotency-key-reused"]);
}

#[tokio::test]
async fn the_configured_limits_are_honoured_and_named() {
    let server = TestServer::with(|settings| {
        settings.max_message_length = 3;
        settings.message_charset = Charset::Strict;
    });
    assert_eq!(
        server.post(MESSAGE, r#"{"message": "жжж"}"#).await.status,
        201
    );
    let response = server.post("/api/message", r#"{"message": "жжжж"}"#).await;
    assert_eq!(
        response.json()["error"],
        json!({"message": ["Length must be between 1 and 3."]})
    );
    let response = server.post(MESSAGE, r#"{"message": "<b>"}"#).await;
    check_failing(&response, &[("message", "charset")]);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_rejected_at_any_depth() {
    let server = TestServer::start();
    let deep = "[".repeat(60_000);
    let deep_member = format!("{{\"message\": {}", "[".repeat(60_000));
    for body in [
        "",
        "null",
        "{",
        "{\"message\": \"a\"} x",
        &deep,
        &deep_member,
        "\u{feff}{\"message\": \"a\"}",
    ] {
        let response = server.post(MESSAGE, body).await;
        response.assert_problem(400, "malformed-json");
    }
    let response = server.post(MESSAGE, b"{\"message\": \"\xff\"}").await;
    response.assert_problem(400, "malformed-json");
    let response = server.post(MESSAGE, "{\n\"message\": \"a\",}").await;
    let problem = response.assert_problem(400, "malformed-json");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.ends_with("строке 2, байт 16."), "{detail}");
}

#[tokio::test]
async fn a_store_failure_is_reported_without_its_details() {
    let server = TestServer::start();
    let secret = || "redis://:password@host".to_owned();
    for (error, status, code) in [
        (StoreError::Unavailable(secret()), 503, "store-unavailable"),
        (StoreError::Full(secret()), 503, "store-unavailable"),
        (StoreError::Corrupt(secret()), 503, "store-unavailable"),
    ] {
        for (method, path) in [
            ("POST", MESSAGE),
            ("POST", "/api/v1/topics/t/messages"),
            ("GET", "/api/v1/topics"),
            ("GET", "/api/v1/topics/t/messages"),
            (
                "GET",
                "/api/v1/topics/t/messages/00000000000000000000000001",
            ),
            (
                "DELETE",
                "/api/v1/topics/t/messages/00000000000000000000000001",
            ),
            ("GET", "/api/v1/topics/t/stream"),
        ] {
            server.store.fail_next(1, error.clone());
            let body = if method == "POST" {
                r#"{"message": "a"}"#
            } else {
                ""
            };
            let response = server.call(method, path, &[JSON], body).await;
            response.assert_problem(status, code);
            assert!(!response.text().contains("password"), "{path}");
        }
    }
    assert_eq!(server.recorder.streams(), 0);
}

#[tokio::test]
async fn json_may_say_its_character_set_when_it_is_utf_8() {
    let server = TestServer::start();
    for (value, status) in [
        ("application/json; charset=utf-8", 201),
        ("APPLICATION/JSON;charset=\"UTF-8\"", 201),
        ("application/json; charset=windows-1251", 415),
        ("application/merge-patch+json", 415),
        ("text/json", 415),
    ] {
        let headers = [("Content-Type", value)];
        let response = server
            .call("POST", MESSAGE, &headers, r#"{"message": "a"}"#)
            .await;
        assert_eq!(response.status, status, "{value}");
    }
}
