//! The headers of every response.

use crate::support::{Response, TestServer};

const PATHS: [&str; 9] = [
    "/",
    "/docs/",
    "/problems/internal",
    "/api-docs/openapi.json",
    "/api/v1/ping",
    "/api/ping",
    "/nowhere",
    "/metrics",
    "/health/live",
];

#[track_caller]
fn check_security(response: &Response, is_page: bool) {
    for (name, value) in [
        ("x-content-type-options", Some("nosniff")),
        ("x-frame-options", Some("DENY")),
        ("referrer-policy", Some("no-referrer")),
        ("x-xss-protection", Some("0")),
        ("server", None),
        ("x-powered-by", None),
    ] {
        assert_eq!(response.header(name), value, "{name}: {response:?}");
    }
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let scripts = policy.split(';').find(|part| part.contains("script-src"));
    assert!(!scripts.unwrap_or_default().contains("unsafe"), "{policy}");
    if !is_page {
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let server = TestServer::start();
    for path in PATHS {
        let response = server.get(path).await;
        let is_page = matches!(path, "/" | "/docs/" | "/problems/internal");
        check_security(&response, is_page);
        assert_eq!(response.header("strict-transport-security"), None, "{path}");
    }
    check_security(
        &server.call("OPTIONS", "/api/v1/ping", &[], "").await,
        false,
    );
    check_security(&server.call("PUT", "/api/v1/ping", &[], "").await, false);
}

#[tokio::test]
async fn only_production_sends_strict_transport_security() {
    let server = TestServer::with(|settings| {
        settings.is_production = true;
        settings.trusted_proxy_hops = 1;
    });
    for path in PATHS {
        let secure = ("X-Forwarded-Proto", "https");
        let response = server.call("GET", path, &[secure], "").await;
        let value = response.header("strict-transport-security").unwrap();
        assert!(value.starts_with("max-age="), "{value}");
    }
}

#[tokio::test]
async fn responses_of_the_api_are_not_stored() {
    let server = TestServer::start();
    for path in ["/api/v1/ping", "/api/v1/info", "/api/v1/topics", "/nowhere"] {
        let response = server.get(path).await;
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn a_valid_request_id_is_kept_and_any_other_replaced() {
    let server = TestServer::start();
    let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
    for (given, kept) in [
        (Some("aZ0._-"), true),
        (Some(longest.as_str()), true),
        (Some(&too_long), false),
        (Some("a b"), false),
        (Some("a\"b"), false),
        (Some("ы"), false),
        (None, false),
    ] {
        for path in PATHS {
            let headers: Vec<_> = given.map(|id| ("X-Request-ID", id)).into_iter().collect();
            let response = server.call("GET", path, &headers, "").await;
            let id = response.header("x-request-id").unwrap();
            assert_eq!(Some(id) == given, kept, "{path} {given:?} {id}");
            assert!(
                kept || (id.len() == 36 && id.as_bytes()[14] == b'7'),
                "{id}"
            );
        }
    }
}
