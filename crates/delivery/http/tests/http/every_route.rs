//! Properties of every path: `Allow`, `OPTIONS`, `HEAD`, 405, the labels of the metrics.

use crate::support::TestServer;

/// Every path with its template and the methods of `Allow`.
const ROUTES: [(&str, &str, &str); 49] = [
    ("/api/v1/message", "/api/v1/message", "POST, OPTIONS"),
    ("/api/v1/topics", "/api/v1/topics", GET),
    (
        "/api/v1/topics/t/messages",
        "/api/v1/topics/{topic}/messages",
        "GET, POST, DELETE, HEAD, OPTIONS",
    ),
    (
        "/api/v1/topics/t/messages/batch",
        "/api/v1/topics/{topic}/messages/batch",
        POST,
    ),
    (
        MESSAGE,
        "/api/v1/topics/{topic}/messages/{id}",
        "GET, DELETE, HEAD, OPTIONS",
    ),
    (
        "/api/v1/topics/t/stream",
        "/api/v1/topics/{topic}/stream",
        GET,
    ),
    (
        "/api/v1/topics/t/consumers",
        "/api/v1/topics/{topic}/consumers",
        GET,
    ),
    (
        "/api/v1/topics/t/consumers/c",
        CONSUMER,
        "GET, PUT, DELETE, HEAD, OPTIONS",
    ),
    (
        "/api/v1/topics/t/consumers/c/pull",
        "/api/v1/topics/{topic}/consumers/{consumer}/pull",
        POST,
    ),
    (
        "/api/v1/topics/t/consumers/c/ack",
        "/api/v1/topics/{topic}/consumers/{consumer}/ack",
        POST,
    ),
    (
        "/api/v1/topics/t/consumers/c/nack",
        "/api/v1/topics/{topic}/consumers/{consumer}/nack",
        POST,
    ),
    (
        "/api/v1/topics/t/consumers/c/extend",
        "/api/v1/topics/{topic}/consumers/{consumer}/extend",
        POST,
    ),
    (
        "/api/v1/topics/t/consumers/c/seek",
        "/api/v1/topics/{topic}/consumers/{consumer}/seek",
        POST,
    ),
    (
        "/api/v1/topics/t/consumers/c/dead",
        "/api/v1/topics/{topic}/consumers/{consumer}/dead",
        GET,
    ),
    (
        "/api/v1/topics/t/consumers/c/dead/redrive",
        "/api/v1/topics/{topic}/consumers/{consumer}/dead/redrive",
        POST,
    ),
    (
        "/api/v1/topics/t/consumers/c/dead/000000000000000000000000G1",
        "/api/v1/topics/{topic}/consumers/{consumer}/dead/{id}",
        "DELETE, OPTIONS",
    ),
    (
        "/api/v1/topics/t/webhooks",
        "/api/v1/topics/{topic}/webhooks",
        GET,
    ),
    (
        "/api/v1/topics/t/webhooks/w",
        WEBHOOK,
        "GET, PUT, DELETE, HEAD, OPTIONS",
    ),
    (
        "/api/v1/topics/t/webhooks/w/rotate-secret",
        "/api/v1/topics/{topic}/webhooks/{webhook}/rotate-secret",
        POST,
    ),
    (
        "/api/v1/topics/t/webhooks/w/enable",
        "/api/v1/topics/{topic}/webhooks/{webhook}/enable",
        POST,
    ),
    (
        "/api/v1/topics/t/webhooks/w/test",
        "/api/v1/topics/{topic}/webhooks/{webhook}/test",
        POST,
    ),
    (
        "/api/v1/topics/t/webhooks/w/replay",
        "/api/v1/topics/{topic}/webhooks/{webhook}/replay",
        POST,
    ),
    (
        "/api/v1/topics/t/webhooks/w/attempts",
        "/api/v1/topics/{topic}/webhooks/{webhook}/attempts",
        GET,
    ),
    (
        "/api/v1/topics/t/webhooks/w/dead",
        "/api/v1/topics/{topic}/webhooks/{webhook}/dead",
        GET,
    ),
    (
        "/api/v1/topics/t/webhooks/w/dead/redrive",
        "/api/v1/topics/{topic}/webhooks/{webhook}/dead/redrive",
        POST,
    ),
    (
        "/api/v1/topics/t/webhooks/w/dead/000000000000000000000000G1",
        "/api/v1/topics/{topic}/webhooks/{webhook}/dead/{id}",
        "DELETE, OPTIONS",
    ),
    (
        "/api/v1/tokens/id-1",
        "/api/v1/tokens/{jti}",
        "DELETE, OPTIONS",
    ),
    ("/api/v1/info", "/api/v1/info", GET),
    ("/api/v1/ping", "/api/v1/ping", GET),
    ("/api/v1/health", "/api/v1/health", GET),
    ("/api/v1/limits", "/api/v1/limits", GET),
    ("/api/message", "/api/message", "POST, OPTIONS"),
    ("/api/info", "/api/info", GET),
    ("/api/ping", "/api/ping", GET),
    ("/api/health", "/api/health", GET),
    ("/health/live", "/health/live", GET),
    ("/health/ready", "/health/ready", GET),
    ("/health/startup", "/health/startup", GET),
    ("/metrics", "/metrics", GET),
    ("/api-docs/openapi.json", "/api-docs/openapi.json", GET),
    ("/apispec_1.json", "/apispec_1.json", GET),
    ("/docs/", DOCS, GET),
    ("/docs/swagger-ui.css", DOCS, GET),
    ("/docs/swagger-ui-bundle.js", DOCS, GET),
    ("/apidocs/", "/apidocs/", GET),
    ("/apidocs", "/apidocs", GET),
    ("/problems/internal", "/problems/{code}", GET),
    ("/assets/page.css", "/assets/{file:.*}", GET),
    ("/", "/", GET),
];

const GET: &str = "GET, HEAD, OPTIONS";
const MESSAGE: &str = "/api/v1/topics/t/messages/000000000000000000000000G1";
const CONSUMER: &str = "/api/v1/topics/{topic}/consumers/{consumer}";
const WEBHOOK: &str = "/api/v1/topics/{topic}/webhooks/{webhook}";
const POST: &str = "POST, OPTIONS";
const DOCS: &str = "/docs/{file:.*}";

#[tokio::test]
async fn options_names_the_methods_and_nothing_else() {
    let server = TestServer::start();
    for (path, _, allow) in ROUTES {
        let response = server.call("OPTIONS", path, &[], "").await;
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(response.header("allow"), Some(allow), "{path}");
        assert_eq!(response.header("content-length"), None, "{path}");
    }
    for path in ["/nowhere", "/api/v1/ping/", "/docs"] {
        let response = server.call("OPTIONS", path, &[], "").await;
        response.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn no_call_ignores_its_body() {
    let server = TestServer::start();
    for (path, _, _) in ROUTES.iter().filter(|route| route.2.contains("POST")) {
        for (body, code) in [
            ("{", "malformed-json"),
            (r#"{"x":1}"#, "validation-failed"),
            ("1", "validation-failed"),
        ] {
            let response = server.post(path, body).await;
            assert_eq!(response.status, 400, "{path} {body}: {response:?}");
            response.assert_problem(400, code);
        }
    }
}

#[tokio::test]
async fn another_method_is_rejected_with_allow() {
    let server = TestServer::start();
    for (path, _, allow) in ROUTES {
        for method in [
            "PUT", "PATCH", "TRACE", "PURGE", "POST", "GET", "DELETE", "HEAD",
        ] {
            if allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let response = server.call(method, path, &[], "").await;
            assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
            if method == "HEAD" {
                assert_eq!(response.status, 405, "{path}");
            } else {
                response.assert_problem(405, "method-not-allowed");
            }
        }
    }
}

/// The headers without those that differ between requests.
fn stable(response: &crate::support::Response) -> Vec<(String, String)> {
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"));
    headers.sort();
    headers
}

#[tokio::test]
async fn head_responds_like_get_without_a_body() {
    let server = TestServer::start();
    for (path, _, allow) in ROUTES {
        if !allow.contains("HEAD") {
            continue;
        }
        let mut connection = server.connect().await;
        connection.request("HEAD", path, &[], b"").await;
        let head = connection.response("HEAD").await;
        // The connection is usable, so there was no body.
        connection.request("GET", path, &[], b"").await;
        let get = connection.head().await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(stable(&head), stable(&get), "{path}");
    }
}

#[tokio::test]
async fn head_of_a_missing_resource_has_the_headers_of_get() {
    let server = TestServer::start();
    for path in ["/nowhere", "/api/ping/", "/api/v1/topics?limit=0", MESSAGE] {
        let mut connection = server.connect().await;
        connection
            .request("HEAD", path, &[("X-Request-ID", "1")], b"")
            .await;
        let head = connection.response("HEAD").await;
        connection
            .request("GET", path, &[("X-Request-ID", "1")], b"")
            .await;
        let get = connection.response("GET").await;
        assert_eq!(stable(&head), stable(&get), "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_template_and_known_methods() {
    let server = TestServer::start();
    for (path, template, allow) in ROUTES {
        if template.ends_with("/stream") {
            continue;
        }
        let (method, _) = allow.split_once(',').unwrap();
        let before = server.recorder.finished().len();
        let response = server.call(method, path, &[], "").await;
        let counted = server.recorder.finished()[before..].to_vec();
        assert_eq!(counted, [Some((method, template, response.status))]);
    }
    let before = server.recorder.finished().len();
    server.call("BREW", "/nowhere/1", &[], "").await;
    server.call("GET", "/nowhere/2", &[], "").await;
    server.call("PUT", "/api/v1/ping", &[], "").await;
    assert_eq!(
        server.recorder.finished()[before..],
        [
            Some(("OTHER", "unmatched", 404)),
            Some(("GET", "unmatched", 404)),
            Some(("PUT", "/api/v1/ping", 405)),
        ]
    );
    assert_eq!(server.recorder.in_flight(), 0);
}
