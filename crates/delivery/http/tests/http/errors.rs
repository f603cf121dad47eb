//! Every error is a problem document.

use serde_json::Value;

use crate::support::{Behaviour, TestServer};

const CODES: [(&str, u16); 16] = [
    ("malformed-request", 400),
    ("precondition-failed", 412),
    ("malformed-json", 400),
    ("unsupported-media-type", 415),
    ("validation-failed", 400),
    ("payload-too-large", 413),
    ("not-found", 404),
    ("method-not-allowed", 405),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("rate-limited", 429),
    ("idempotency-key-reused", 422),
    ("overloaded", 503),
    ("store-unavailable", 503),
    ("request-timeout", 408),
    ("internal", 500),
];

#[tokio::test]
async fn every_code_has_a_page_in_both_languages() {
    let server = TestServer::start();
    for (code, status) in CODES {
        let path = format!("/problems/{code}");
        let russian = server.get(&path).await;
        assert_eq!(russian.status, 200, "{code}");
        let content_type = russian.header("content-type").unwrap();
        assert!(content_type.starts_with("text/html"), "{content_type}");
        assert!(russian.text().contains(code) && russian.text().contains(&status.to_string()));
        let headers = [("Accept-Language", "en")];
        let english = server.call("GET", &path, &headers, "").await;
        assert!(english.text().contains("lang=\"en\""));
        assert_ne!(english.text(), russian.text());
    }
    for path in ["/problems/no-such-code", "/problems/", "/problems"] {
        server.get(path).await.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_server_continues() {
    let server = TestServer::start();
    server.store_behaves(Behaviour::Panic);
    for (method, path, body) in [
        ("POST", "/api/v1/message", r#"{"message": "a"}"#),
        ("GET", "/api/v1/topics", ""),
        ("GET", "/api/v1/topics/t/stream", ""),
        ("GET", "/api/v1/health", ""),
        ("GET", "/health/ready", ""),
    ] {
        let headers = [("Content-Type", "application/json")];
        let response = server.call(method, path, &headers, body).await;
        let problem = response.assert_problem(500, "internal");
        assert!(!problem.to_string().contains("on order"), "{problem}");
    }
    server.store_behaves(Behaviour::PassOn);
    assert_eq!(server.get("/api/v1/topics").await.status, 200);
    assert_eq!(server.recorder.in_flight(), 0);
    assert_eq!(server.recorder.streams(), 0);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let server = TestServer::start();
    let consumer = "/api/v1/topics/t/consumers";
    let id = "01J00000000000000000000001";
    for (method, path, missing) in [
        ("GET", "/api/v1/topics/UP/messages", "No topic can"),
        (
            "PUT",
            &format!("{consumer}/UP"),
            "No consumer or webhook can",
        ),
        ("GET", "/api/v1/topics/t/messages/1", "No message can"),
        (
            "GET",
            &format!("/api/v1/topics/t/messages/{id}"),
            "no message",
        ),
        (
            "DELETE",
            &format!("/api/v1/topics/t/messages/{id}"),
            "no message",
        ),
        ("GET", &format!("{consumer}/none"), "no consumer or webhook"),
        (
            "POST",
            &format!("{consumer}/none/pull"),
            "no consumer or webhook",
        ),
        ("GET", "/api/v1/nowhere", "no resource at this address"),
    ] {
        let headers = [("Accept-Language", "en")];
        let response = server.call(method, path, &headers, "").await;
        let problem = response.assert_problem(404, "not-found");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(missing), "{method} {path}: {detail}");
    }
}

#[tokio::test]
async fn a_problem_speaks_the_clients_language() {
    let server = TestServer::start();
    let problem = async |language: &str| {
        let headers = [("Accept-Language", language)];
        let response = server.call("GET", "/nowhere", &headers, "").await;
        response.assert_problem(404, "not-found")
    };
    let (ru, en) = (problem("ru").await, problem("en").await);
    assert_eq!(ru["title"], "Не найдено");
    assert_eq!(en["title"], "Not found");
    assert_ne!(ru["detail"], en["detail"]);
    assert_eq!(problem("fr").await["title"], "Не найдено");
}

#[tokio::test]
async fn a_problem_names_the_path_without_its_query() {
    let server = TestServer::start();
    let response = server.get("/nowhere/%D0%B0?secret=1").await;
    let problem = response.assert_problem(404, "not-found");
    assert_eq!(problem["instance"], "/nowhere/%D0%B0");
}

#[tokio::test]
async fn metrics_that_cannot_be_written_are_an_internal_error() {
    let server = TestServer::start();
    let is_broken = &server.recorder.is_broken;
    is_broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let response = server.get("/metrics").await;
    response.assert_problem(500, "internal");
    assert!(!response.text().contains("on order"));
}

#[tokio::test]
async fn the_document_describes_every_code_that_has_a_page() {
    let server = TestServer::start();
    let document = server.get("/api-docs/openapi.json").await.json();
    let codes = &document["components"]["schemas"]["Code"]["enum"];
    let codes: Vec<_> = codes.as_array().unwrap().iter().collect();
    for (code, _) in CODES {
        assert!(codes.contains(&&Value::from(code)), "{code}: {codes:?}");
    }
}
