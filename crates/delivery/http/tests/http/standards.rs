//! What the standards of HTTP ask of every server: conditional requests, negotiation, `Host`, `OPTIONS *`, languages,
//! and the errors of the head.

use std::time::Duration;

use posthorn_application::Phase;
use posthorn_http::ProxyHeader;

use crate::support::{Behaviour, Response, TestServer};

const PING: &str = "/api/v1/ping";

impl TestServer {
    /// The response to bytes that need not be a request.
    async fn send_raw(&self, bytes: impl AsRef<[u8]>) -> Response {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        connection.response("").await
    }
}

#[tokio::test]
async fn a_message_heeds_preconditions() {
    let server = TestServer::start();
    let id = server.accept("t", "hello").await;
    let path = format!("/api/v1/topics/t/messages/{id}");
    let tag = format!("\"{id}\"");
    for (method, header, value, status) in [
        ("GET", "If-Match", tag.as_str(), 200),
        ("GET", "If-Match", "*", 200),
        ("GET", "If-Match", "\"other\"", 412),
        ("GET", "If-None-Match", &tag, 304),
        ("GET", "If-None-Match", "\"other\"", 200),
        ("DELETE", "If-Match", "\"other\"", 412),
        ("DELETE", "If-None-Match", &tag, 412),
        ("DELETE", "If-Match", &tag, 204),
        ("DELETE", "If-Match", "\"other\"", 404),
    ] {
        let response = server.call(method, &path, &[(header, value)], "").await;
        assert_eq!(response.status, status, "{method} {header}: {value}");
        if status == 412 {
            response.assert_problem(412, "precondition-failed");
        }
    }
}

#[tokio::test]
async fn a_host_is_required_and_valid() {
    let server = TestServer::start();
    for head in [
        "GET /api/v1/ping HTTP/1.1\r\n\r\n",
        "GET /api/v1/ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /api/v1/ping HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ] {
        let response = server.send_raw(head).await;
        response.assert_problem(400, "malformed-request");
    }
    for head in [
        "GET /api/v1/ping HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n",
        "GET /api/v1/ping HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://a/api/v1/ping HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(server.send_raw(head).await.status, 200, "{head}");
    }
}

#[tokio::test]
async fn options_of_the_server_are_its_methods() {
    let server = TestServer::start();
    let response = server
        .send_raw("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(response.status, 204);
    let allow = response.header("allow").unwrap();
    assert_eq!(allow, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    let other = server.send_raw("GET * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(matches!(other.status, 400 | 404), "{other:?}");
}

#[tokio::test]
async fn texts_name_their_language() {
    let server = TestServer::start();
    let body = br#"{"message": "hello"}"#;
    for (wanted, language) in [("en", "en"), ("ru", "ru"), ("de", "ru")] {
        let language_wanted = ("Accept-Language", wanted);
        let json = ("Content-Type", "application/json");
        let headers = [language_wanted, json];
        let batch: &[u8] = br#"[{"message": "hello"}]"#;
        for (method, path, body) in [
            ("POST", "/api/v1/message", &body[..]),
            ("POST", "/api/v1/topics/t/messages", b"{}"),
            ("POST", "/api/v1/topics/t/messages/batch", batch),
            ("GET", "/nowhere", b""),
            ("GET", "/problems/internal", b""),
            ("GET", "/", b""),
        ] {
            let response = server.call(method, path, &headers, body).await;
            let found = response.header("content-language");
            assert_eq!(found, Some(language), "{path}");
            assert_eq!(response.header("vary"), Some("Accept-Language"), "{path}");
        }
    }
    assert_eq!(server.get(PING).await.header("content-language"), None);
}

#[tokio::test]
async fn a_cross_origin_error_varies_with_both() {
    let server = TestServer::with(|settings| {
        settings.cors_origins = "https://a.example".parse().unwrap();
    });
    let origin = ("Origin", "https://a.example");
    let response = server.call("GET", "/nowhere", &[origin], "").await;
    let fields = response.headers.iter().filter(|(name, _)| name == "vary");
    let fields: Vec<_> = fields.map(|(_, value)| value.as_str()).collect();
    let fields = fields.join(", ");
    for field in ["Origin", "Accept-Language"] {
        assert!(fields.contains(field), "{fields}");
    }
}

#[tokio::test]
async fn metrics_are_negotiated() {
    let server = TestServer::start();
    let classic = "text/plain; version=0.0.4; charset=utf-8";
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let scraper = "application/openmetrics-text;version=1.0.0;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, expected) in [
        ("*/*", classic),
        ("text/plain", classic),
        ("text/plain, application/openmetrics-text;q=0.9", classic),
        ("application/openmetrics-text;q=0", classic),
        ("application/openmetrics-text", open_metrics),
        (scraper, open_metrics),
    ] {
        let response = server
            .call("GET", "/metrics", &[("Accept", accept)], "")
            .await;
        assert_eq!(response.header("content-type"), Some(expected), "{accept}");
        assert_eq!(response.header("vary"), Some("Accept"));
    }
    let plain = server.get("/metrics").await;
    assert_eq!(plain.header("content-type"), Some(classic));
}

#[tokio::test]
async fn only_a_client_with_tls_gets_strict_transport_security() {
    let server = |header| {
        TestServer::with(|settings| {
            settings.is_production = true;
            settings.trusted_proxy_hops = 1;
            settings.trusted_proxy_header = header;
        })
    };
    let forwarded_for = server(ProxyHeader::XForwardedFor);
    let forwarded = server(ProxyHeader::Forwarded);
    for (server, name, value, expected) in [
        (&forwarded_for, "X-Forwarded-Proto", "https", true),
        (&forwarded_for, "X-Forwarded-Proto", "http, https", true),
        (&forwarded_for, "X-Forwarded-Proto", "https, http", false),
        (
            &forwarded_for,
            "Forwarded",
            "for=1.1.1.1;proto=https",
            false,
        ),
        (&forwarded, "Forwarded", "for=1.1.1.1;proto=https", true),
        (&forwarded, "Forwarded", "proto=https, for=1.1.1.1", false),
        (&forwarded, "X-Forwarded-Proto", "https", false),
    ] {
        let response = server.call("GET", PING, &[(name, value)], "").await;
        let policy = response.header("strict-transport-security");
        assert_eq!(policy.is_some(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn an_instance_is_a_path_on_this_server() {
    let server = TestServer::start();
    let response = server.get("//evil.example/x").await;
    assert_eq!(response.json()["instance"], "/.//evil.example/x");
}

#[tokio::test]
async fn long_paths_and_heads_have_their_own_errors() {
    let server = TestServer::start();
    let path = "a".repeat(70_000);
    let long_path = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let problem = server.send_raw(long_path).await;
    let problem = problem.assert_problem(414, "payload-too-large");
    assert!(
        problem["detail"].as_str().unwrap().contains("65534"),
        "{problem}"
    );
    let field = "a".repeat(140_000);
    let long_head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {field}\r\n\r\n");
    let problem = server.send_raw(long_head).await;
    let problem = problem.assert_problem(431, "payload-too-large");
    assert!(
        problem["detail"].as_str().unwrap().contains("131072"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_slow_server_is_not_a_slow_client() {
    let server = TestServer::with(|settings| {
        settings.request_timeout = Duration::from_millis(300);
    });
    server.store_behaves(Behaviour::Hang);
    for path in ["/api/v1/topics", "/api/v1/topics/t/messages"] {
        let response = server.get(path).await;
        response.assert_problem(503, "overloaded");
    }
    let response = server.post("/api/v1/message", r#"{"message": "a"}"#).await;
    response.assert_problem(503, "overloaded");
    let unfinished = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{";
    let response = server.send_raw(unfinished).await;
    response.assert_problem(408, "request-timeout");
}

#[tokio::test]
async fn parameters_that_nothing_reads_are_refused() {
    let server = TestServer::start();
    let id = server.accept("t", "hello").await;
    let message = format!("/api/v1/topics/t/messages/{id}");
    for (method, path) in [
        ("GET", PING),
        ("GET", "/api/v1/info"),
        ("GET", "/api/v1/limits"),
        ("GET", "/api/v1/topics"),
        ("GET", message.as_str()),
        ("DELETE", &message),
        ("GET", "/api/v1/topics/t/consumers"),
        ("POST", "/api/v1/topics/t/consumers/c/pull"),
        ("GET", "/api/v1/topics/t/webhooks/w"),
    ] {
        let response = server.call(method, &format!("{path}?x=1"), &[], "").await;
        let problem = response.assert_problem(400, "validation-failed");
        assert_eq!(problem["errors"][0]["field"], "x", "{path}");
        assert_eq!(problem["errors"][0]["code"], "unknown-field", "{path}");
    }
    // Clients of EventSource add their own.
    let stream = "/api/v1/topics/t/stream?x=1";
    assert_eq!(server.call("HEAD", stream, &[], "").await.status, 200);
    for path in ["/api/ping", "/health/live", "/metrics", "/", "/docs/"] {
        assert_eq!(
            server.get(&format!("{path}?x=1")).await.status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_answer_has_a_resource_policy() {
    let server = TestServer::start();
    for path in ["/", PING, "/nowhere", "/metrics"] {
        let response = server.get(path).await;
        let policy = response.header("cross-origin-resource-policy");
        assert_eq!(policy, Some("same-origin"), "{path}");
    }
}

#[tokio::test]
async fn the_originals_paths_name_their_end() {
    let server = TestServer::with(|settings| {
        settings.legacy_sunset = Some("2027-12-31".parse().unwrap());
    });
    let response = server.get("/api/ping").await;
    let sunset = Some("Fri, 31 Dec 2027 00:00:00 GMT");
    assert_eq!(response.header("sunset"), sunset);
    let links = response.headers.iter().filter(|(name, _)| name == "link");
    let links: Vec<_> = links.map(|(_, value)| value.as_str()).collect();
    assert!(
        links
            .iter()
            .any(|link| link.contains("rel=\"deprecation\"")),
        "{links:?}"
    );
    assert_eq!(server.get(PING).await.header("sunset"), None);
    assert_eq!(
        TestServer::start().get("/api/ping").await.header("sunset"),
        None
    );
    for path in ["/apidocs", "/apidocs/"] {
        assert_eq!(server.get(path).await.header("location"), Some("/docs/"));
    }
}

#[tokio::test]
async fn a_full_server_keeps_an_event_source_alive() {
    let server = TestServer::with(|settings| settings.max_streams = 0);
    let path = "/api/v1/topics/t/stream";
    let plain = server.get(path).await;
    plain.assert_problem(503, "overloaded");
    let accept = ("Accept", "text/event-stream");
    let check = |response: Response, position: &str| {
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        let text = response.text();
        let rest = text.strip_prefix("retry: ").unwrap();
        let (retry, event) = rest.split_once('\n').unwrap();
        assert!((1000..=10_000).contains(&retry.parse().unwrap()), "{text}");
        assert_eq!(event, format!("event: busy\ndata: {{}}\n{position}\n"));
    };
    check(server.call("GET", path, &[accept], "").await, "");
    // Some clients resume after the id of the last event, or anew if that had none.
    let id = "01KB7Q3V5T0000000000000007";
    let resumed = [accept, ("Last-Event-ID", id)];
    let response = server.call("GET", path, &resumed, "").await;
    check(response, &format!("id: {id}\n"));
    let draining = TestServer::start();
    draining.lifecycle.advance(Phase::Draining);
    check(draining.call("GET", path, &[accept], "").await, "");
}

#[tokio::test]
async fn framing_counts_against_the_limit_on_a_body() {
    let server = TestServer::with(|settings| settings.max_body_bytes = 1000);
    let head = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let body = r#"{"message": "a"}"#;
    let (data, long) = (format!("10\r\n{body}\r\n"), "x".repeat(1200));
    let zeros = "0".repeat(1200);
    let extension = "x".repeat(90);
    let chunk = |data: char| ["1;", &extension, "\r\n", &data.to_string(), "\r\n"].concat();
    let extended: Vec<_> = body.chars().map(chunk).collect();
    let extended = extended.concat();
    for rest in [
        format!("10;{long}"),
        format!("10;{long}\r\n{body}\r\n0\r\n\r\n"),
        format!("{zeros}10\r\n{body}\r\n0\r\n\r\n"),
        format!("{data}0\r\nX: {long}\r\n\r\n"),
        format!("{data}0\r\nX: {long}"),
        format!("{extended}0\r\n\r\n"),
    ] {
        let response = server.send_raw(format!("{head}{rest}")).await;
        response.assert_problem(413, "payload-too-large");
    }
    let short = format!("{head}10;a=b\r\n{body}\r\n0\r\nX: 1\r\n\r\n");
    let response = server.send_raw(short).await;
    assert!(matches!(response.status, 201 | 400), "{response:?}");
}
