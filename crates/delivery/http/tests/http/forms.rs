//! Forms that a browser submits.

use std::sync::atomic::Ordering;

use posthorn_application::AccessPolicy;
use serde_json::json;

use crate::support::{Quotas, Response, TestServer};

const PATH: &str = "/api/v1/topics/t/messages";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const ENGLISH: (&str, &str) = ("Accept-Language", "en");

async fn submit(server: &TestServer, body: &str) -> Response {
    let headers = [FORM, BROWSER, ENGLISH];
    server.call("POST", PATH, &headers, body).await
}

#[track_caller]
fn assert_page(response: &Response, status: u16, text: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(response.text().contains(text), "{}", response.text());
    assert!(!response.text().contains("<script"), "{}", response.text());
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_the_receipt() {
    let server = TestServer::start();
    let response = submit(&server, "message=%3Cb%3Ehi%3C%2Fb%3E&name=x").await;
    assert_page(&response, 201, "Message received");
    assert!(!response.text().contains("<b>"), "{}", response.text());
    let stored = server.get(response.header("location").unwrap()).await;
    assert_eq!(stored.json()["message"], "<b>hi</b>");
    let headers = [FORM, BROWSER];
    let response = server.call("POST", PATH, &headers, "message=a").await;
    assert_page(&response, 201, "Сообщение получено");
    for accept in ["*/*", "application/json"] {
        let headers = [FORM, ("Accept", accept)];
        let response = server
            .call("POST", PATH, &headers, "message=a&_next=/")
            .await;
        assert_eq!(
            (response.status, response.json()["success"].clone()),
            (201, json!(true))
        );
    }
    let headers = [BROWSER, ("Content-Type", "application/json")];
    let response = server
        .call("POST", PATH, &headers, r#"{"message": "a"}"#)
        .await;
    assert_eq!(response.json()["topic"], "t");
}

#[tokio::test]
async fn an_error_is_a_page_with_the_texts_and_the_status() {
    let server = TestServer::start();
    let response = submit(&server, "message=&%3Ci%3E=1&%3Ci%3E=2").await;
    assert_page(&response, 400, "Length must be between 1 and 1000.");
    assert!(response.text().contains("<code>message</code>"));
    assert!(!response.text().contains("<i>"), "{}", response.text());
    let id = response.header("x-request-id").unwrap();
    assert!(response.text().contains(id));
    assert_page(&submit(&server, "message=%FF").await, 400, "Malformed body");
    let large = format!("message={}", "x".repeat(70_000));
    assert_page(&submit(&server, &large).await, 413, "too large");
}

#[tokio::test]
async fn a_page_advises_what_fits_the_error() {
    let server = TestServer::with_access(AccessPolicy::protected(true), |_| {});
    assert_page(&submit(&server, "message=a").await, 401, "Tell the owner");
    let headers = [FORM, BROWSER];
    let response = server.call("POST", PATH, &headers, "message=a").await;
    assert_page(&response, 401, "Сообщите об этом владельцу сайта");
    let quotas = Quotas {
        message: "1 per minute",
        ..Quotas::default()
    };
    let server = TestServer::with_quotas(quotas, |_| {});
    assert_page(&submit(&server, "message=").await, 400, "correct the form");
    let page = submit(&server, "message=a").await;
    assert_page(&page, 429, "Wait a while, go back");
    assert!(!page.text().contains("correct"), "{}", page.text());
}

#[tokio::test]
async fn a_browser_is_sent_only_to_configured_origins_and_to_the_own_one() {
    let server = TestServer::with(|settings| {
        settings.form_redirect_origins = "https://www.example".parse().unwrap();
    });
    for (next, expected) in [
        (
            "https://www.example/thanks?a=1#b",
            Some("https://www.example/thanks?a=1#b"),
        ),
        ("https:\\\\www.example", Some("https://www.example/")),
        ("/thanks", Some("/thanks")),
        ("http://test/thanks", Some("http://test/thanks")),
        ("//test/thanks", Some("http://test/thanks")),
        ("http:/thanks", Some("/thanks")),
        (
            "http://test//evil.example/",
            Some("http://test//evil.example/"),
        ),
        ("/.//evil.example/", Some("/.//evil.example/")),
        ("https://test/thanks", None),
        ("", None),
        (" ", None),
        ("/\\evil.example", None),
        ("//evil.example/", None),
        ("http://www.example/", None),
        ("https://www.example.evil.example/", None),
        ("https://www.example@evil.example/", None),
        ("https://evil.example\\@www.example/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("http://test:81/", None),
        ("http://", None),
    ] {
        let body: Vec<_> = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = body.concat();
        let response = submit(&server, &format!("message=a&_next={body}")).await;
        match expected {
            Some(url) => {
                assert_eq!(response.status, 303, "{next}: {response:?}");
                assert_eq!(response.header("location"), Some(url), "{next}");
            }
            None => assert_page(&response, 201, "Message received"),
        }
    }
    let second = submit(&server, "message=a&_next=&_next=/thanks").await;
    assert_eq!(second.header("location"), Some("/thanks"));
    let failed = submit(&server, "message=&_next=/thanks").await;
    assert_page(&failed, 400, "Validation failed");
}

#[tokio::test]
async fn a_filled_trap_gets_the_usual_success_and_stores_nothing() {
    let server = TestServer::start();
    let body = "message=buy&_gotcha=1";
    let receipt = server.call("POST", PATH, &[FORM], body).await;
    assert_eq!(receipt.status, 201);
    let usual = server.call("POST", PATH, &[FORM], "message=buy").await;
    let names = |response: &Response| {
        let json = response.json();
        json.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&receipt), names(&usual));
    assert_page(&submit(&server, body).await, 201, "Message received");
    let sent = submit(&server, "message=buy&_gotcha=1&_next=/thanks").await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/thanks"))
    );
    let page = server.get(PATH).await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    assert_eq!(server.recorder.trapped.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_filled_trap_gets_the_usual_success_whatever_else_is_wrong() {
    let server = TestServer::start();
    for number in 0..3 {
        server.accept("t", &number.to_string()).await;
    }
    for body in [
        "message=&_gotcha=x",
        "_gotcha=x",
        "message=a&message=b&_gotcha=x",
        "message=%FF&_gotcha=x",
        "message=a&_gotcha=%FF",
        "_gotcha=x&_charset_=koi8-r&a=1&a=2",
    ] {
        let receipt = server.call("POST", PATH, &[FORM], body).await;
        assert_eq!(receipt.status, 201, "{body}: {receipt:?}");
        // The number that follows that of the newest message.
        let id = receipt.json()["id"].as_str().unwrap().to_owned();
        assert!(id.ends_with("0000000000000004"), "{id}");
        assert_page(&submit(&server, body).await, 201, "Message received");
    }
    let part = |head: &str| format!("--X\r\nContent-Disposition: form-data; {head}\r\n\r\nx\r\n");
    let file = part("name=\"f\"; filename=\"a\"");
    let body = [file, part("name=\"_gotcha\""), "--X--\r\n".to_owned()].concat();
    let multipart = ("Content-Type", "multipart/form-data; boundary=X");
    let receipt = server.call("POST", PATH, &[multipart], body).await;
    assert_eq!(receipt.status, 201, "{receipt:?}");
    let next = submit(&server, "message=&_gotcha=x&_next=/thanks").await;
    assert_eq!(next.header("location"), Some("/thanks"));
    assert_eq!(server.recorder.trapped.load(Ordering::SeqCst), 14);
    let page = server.get(PATH).await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 3);
    // What the form cannot cause is an error as usual.
    let key = ("Idempotency-Key", "a b");
    let refused = server
        .call("POST", PATH, &[FORM, key], "message=a&_gotcha=x")
        .await;
    refused.assert_problem(400, "validation-failed");
}

#[tokio::test]
async fn a_text_that_is_read_as_a_form_is_told_so() {
    let server = TestServer::start();
    let headers = [FORM, ENGLISH];
    let response = server
        .call("POST", PATH, &headers, "see http://a.example/?b=c")
        .await;
    let problem = response.assert_problem(400, "validation-failed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("as a form") && detail.contains("text/plain"));
    let headers = [("Content-Type", "multipart/form-data"), ENGLISH];
    let response = server.call("POST", PATH, &headers, "message").await;
    let problem = response.assert_problem(415, "unsupported-media-type");
    assert!(problem["detail"].as_str().unwrap().contains("boundary"));
}
