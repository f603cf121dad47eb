//! CORS: the origins whose pages may call the API.

use posthorn_http::CorsOrigins;

use crate::support::{Response, TestServer};

const ORIGIN: &str = "https://app.example";
const PREFLIGHT: [(&str, &str); 2] = [
    ("Access-Control-Request-Method", "POST"),
    (
        "Access-Control-Request-Headers",
        "content-type, idempotency-key",
    ),
];

fn server(origins: &str) -> TestServer {
    let origins = CorsOrigins::parse(origins).unwrap();
    TestServer::with(|settings| settings.cors_origins = origins)
}

async fn preflight(server: &TestServer, origin: &str) -> Response {
    let headers = [&[("Origin", origin)], &PREFLIGHT[..]].concat();
    server
        .call("OPTIONS", "/api/v1/message", &headers, "")
        .await
}

fn cors_headers(response: &Response) -> Vec<&str> {
    let names = response.headers.iter().map(|(name, _)| name.as_str());
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

/// The items of a list header, sorted, in lower case.
fn items(response: &Response, name: &str) -> Vec<String> {
    let list = response.header(name).unwrap_or_default().to_lowercase();
    let mut items: Vec<_> = list.split(',').map(|item| item.trim().to_owned()).collect();
    items.sort();
    items
}

#[tokio::test]
async fn a_listed_origin_may_call() {
    let server = server("https://other.example, https://app.example");
    let response = preflight(&server, ORIGIN).await;
    assert_eq!(response.status, 204, "{response:?}");
    assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(response.header("content-length"), None);
    assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(response.header("access-control-max-age"), Some("3600"));
    assert_eq!(response.header("access-control-allow-credentials"), None);
    assert_eq!(
        items(&response, "access-control-allow-methods"),
        ["delete", "get", "options", "post", "put"]
    );
    assert_eq!(
        items(&response, "access-control-allow-headers"),
        [
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "last-event-id",
            "traceparent",
            "x-request-id"
        ]
    );
    assert!(items(&response, "vary").contains(&"origin".to_owned()));
    assert!(response.header("x-request-id").is_some());

    let response = server
        .call("GET", "/api/v1/ping", &[("Origin", ORIGIN)], "")
        .await;
    assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(response.header("access-control-allow-credentials"), None);
    assert_eq!(
        items(&response, "access-control-expose-headers"),
        [
            "deprecation",
            "etag",
            "idempotency-replayed",
            "link",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "www-authenticate",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "x-request-id"
        ]
    );
    assert!(items(&response, "vary").contains(&"origin".to_owned()));
    // Without an origin there is nothing to allow, but caches must still distinguish the two responses.
    let response = server.get("/api/v1/ping").await;
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert!(items(&response, "vary").contains(&"origin".to_owned()));
}

#[tokio::test]
async fn errors_can_be_read_by_a_listed_origin_too() {
    let server = server(ORIGIN);
    for path in ["/nowhere", "/api/v1/topics?limit=0"] {
        let response = server.call("GET", path, &[("Origin", ORIGIN)], "").await;
        assert!(response.status >= 400);
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
    }
}

#[tokio::test]
async fn an_unlisted_origin_gets_no_permission() {
    let server = server(ORIGIN);
    for origin in ["https://evil.example", "https://app.example.evil", "null"] {
        let response = preflight(&server, origin).await;
        assert_eq!(response.status, 204, "{origin}");
        assert_eq!(response.header("allow"), Some("POST, OPTIONS"));
        for permission in ["origin", "methods", "headers"] {
            let name = format!("access-control-allow-{permission}");
            assert_eq!(response.header(&name), None, "{origin}");
        }
        let response = server
            .call("GET", "/api/v1/ping", &[("Origin", origin)], "")
            .await;
        assert_eq!(response.status, 200, "{origin}");
        assert_eq!(
            response.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
}

/// Browsers compare lists without regard to case and order.
#[tokio::test]
async fn a_preflight_for_an_unsupported_method_lists_the_allowed_ones() {
    let server = server(ORIGIN);
    for (name, value) in [
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "x-secret"),
    ] {
        let mut headers = vec![("Origin", ORIGIN), ("Access-Control-Request-Method", "GET")];
        headers.retain(|(given, _)| *given != name);
        headers.push((name, value));
        let response = server.call("OPTIONS", "/api/v1/ping", &headers, "").await;
        assert_eq!(response.status, 204);
        let allowed = ["delete", "get", "options", "post", "put"];
        assert_eq!(items(&response, "access-control-allow-methods"), allowed);
        let allowed = items(&response, "access-control-allow-headers");
        assert!(!allowed.contains(&"x-secret".to_owned()));
    }
}

#[tokio::test]
async fn the_routes_respond_to_options_for_any_origin() {
    let server = server(ORIGIN);
    let method = ("Access-Control-Request-Method", "GET");
    for headers in [
        &[][..],
        &[method],
        &[("Origin", ORIGIN)],
        &[("Origin", ORIGIN), method],
        &[("Origin", "https://evil.example"), method],
        &[("Origin", ORIGIN), ("Access-Control-Request-Method", "?")],
    ] {
        let response = server.call("OPTIONS", "/api/v1/ping", headers, "").await;
        assert_eq!(response.status, 204, "{headers:?}");
        assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
        let response = server.call("OPTIONS", "/nowhere", headers, "").await;
        response.assert_problem(404, "not-found");
        assert_eq!(response.header("access-control-allow-methods"), None);
    }
}

#[tokio::test]
async fn any_origin_may_call_when_that_is_configured() {
    let server = server("*");
    let response = preflight(&server, ORIGIN).await;
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    let response = server
        .call("GET", "/api/v1/ping", &[("Origin", ORIGIN)], "")
        .await;
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn without_configuration_no_origin_is_spoken_of() {
    let server = TestServer::start();
    let response = preflight(&server, ORIGIN).await;
    assert_eq!(response.status, 204);
    assert!(cors_headers(&response).is_empty());
    let response = server
        .call("GET", "/api/v1/ping", &[("Origin", ORIGIN)], "")
        .await;
    assert!(cors_headers(&response).is_empty());
}
