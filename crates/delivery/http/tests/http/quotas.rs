//! Quotas on the wire: the requests that count together, and the header fields.

use std::time::Duration;

use posthorn_domain::QuotaStrategy;
use posthorn_http::HttpSettings;
use serde_json::json;

use crate::support::{Quotas, Response, TestServer};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const BODY: &str = r#"{"message":"a"}"#;

fn server(quotas: Quotas) -> TestServer {
    TestServer::with_quotas(quotas, |settings: &mut HttpSettings| {
        settings.trusted_proxy_hops = 1;
    })
}

async fn post_from(server: &TestServer, path: &str, client: &str) -> Response {
    let headers = [JSON, ("X-Forwarded-For", client), ("Accept-Language", "en")];
    server.call("POST", path, &headers, BODY).await
}

async fn get_from(server: &TestServer, path: &str, client: &str) -> Response {
    let headers = [("X-Forwarded-For", client)];
    server.call("GET", path, &headers, "").await
}

#[tokio::test]
async fn every_counted_response_has_the_remaining_quota_and_a_rejection_names_the_limit() {
    let server = server(Quotas::default());
    server.clock.advance(Duration::from_millis(20_500));
    let paths = [
        "/api/v1/message",
        "/api/v1/topics/a/messages",
        "/api/message",
    ];
    for number in 0..10 {
        let response = post_from(&server, paths[number % 3], "192.0.2.1").await;
        assert_eq!(response.status, 201);
        let left = 9 - number;
        let fields = [
            (
                "ratelimit-policy",
                "\"message-per-minute\";q=10;w=60".to_owned(),
            ),
            ("ratelimit", format!("\"message-per-minute\";r={left};t=40")),
            ("x-ratelimit-limit", "10".to_owned()),
            ("x-ratelimit-remaining", left.to_string()),
            // The minute of the fake clock ends at 1795392060 s after the epoch.
            ("x-ratelimit-reset", "1795392060".to_owned()),
        ];
        for (name, value) in fields {
            assert_eq!(response.header(name), Some(value.as_str()), "{name}");
        }
    }
    for path in paths {
        let response = post_from(&server, path, "192.0.2.1").await;
        let problem = response.assert_problem(429, "rate-limited");
        assert_eq!(response.header("retry-after"), Some("40"));
        assert_eq!(
            response.header("ratelimit"),
            Some("\"message-per-minute\";r=0;t=40")
        );
        assert_eq!(response.header("x-ratelimit-remaining"), Some("0"));
        assert_eq!(problem["violated-policies"], json!(["message-per-minute"]));
        let detail =
            "The limit of 10 per minute (message-per-minute) is reached. Try again in 40 s.";
        assert_eq!(problem["detail"], detail);
        let original = (path == "/api/message").then_some("Too many requests");
        assert_eq!(problem["error"].as_str(), original);
    }
    assert_eq!(server.recorder.rejected(), ["rate-limited"; 3]);
    server.clock.advance(Duration::from_secs(40));
    assert_eq!(post_from(&server, paths[0], "192.0.2.1").await.status, 201);
}

#[tokio::test]
async fn requests_rejected_for_another_reason_count_too() {
    let server = server(Quotas::default());
    let headers = [JSON, ("X-Forwarded-For", "192.0.2.1")];
    for left in (0..10).rev() {
        let response = server.call("POST", "/api/v1/message", &headers, "{}").await;
        response.assert_problem(400, "validation-failed");
        assert_eq!(
            response.header("x-ratelimit-remaining"),
            Some(left.to_string().as_str())
        );
    }
    let response = server.call("POST", "/api/v1/message", &headers, "{}").await;
    response.assert_problem(429, "rate-limited");
}

#[tokio::test]
async fn a_rejected_request_leaves_its_connection_usable() {
    let server = server(Quotas {
        message: "1 per minute",
        ..Quotas::default()
    });
    let mut connection = server.connect().await;
    for status in [201, 429, 429, 429] {
        connection
            .request("POST", "/api/v1/message", &[JSON], BODY.as_bytes())
            .await;
        assert_eq!(connection.response("POST").await.status, status);
    }
    connection.request("GET", "/api/v1/topics", &[], b"").await;
    assert_eq!(connection.response("GET").await.status, 200);
}

#[tokio::test]
async fn reading_and_deleting_have_a_limit_each_and_every_other_route_its_own() {
    let server = server(Quotas {
        read: "4 per minute",
        delete: "2 per minute",
        default: "9 per day;2 per hour",
        ..Quotas::default()
    });
    let forwarded = [("X-Forwarded-For", "192.0.2.1")];
    let reads = [
        "/api/v1/topics",
        "/api/v1/topics/t/messages",
        "/api/v1/topics/t/messages/1",
        "/api/v1/topics/t/messages",
    ];
    for path in reads {
        assert_ne!(
            get_from(&server, path, "192.0.2.1").await.status,
            429,
            "{path}"
        );
    }
    for path in ["/api/v1/topics", "/api/v1/topics/t/stream"] {
        get_from(&server, path, "192.0.2.1")
            .await
            .assert_problem(429, "rate-limited");
    }
    let one = "/api/v1/topics/t/messages/000000000000000000000000G1";
    let many = "/api/v1/topics/t/messages?before=000000000000000000000000G1";
    for (path, status) in [(one, 404), (many, 200)] {
        let response = server.call("DELETE", path, &forwarded, "").await;
        assert_eq!(response.status, status);
        let policy = "\"delete-per-minute\";q=2;w=60";
        assert_eq!(response.header("ratelimit-policy"), Some(policy));
    }
    let response = server.call("DELETE", one, &forwarded, "").await;
    let problem = response.assert_problem(429, "rate-limited");
    assert_eq!(problem["violated-policies"], json!(["delete-per-minute"]));
    // Each route without a class of its own counts alone.
    let revoke = async || {
        server
            .call("DELETE", "/api/v1/tokens/id-1", &forwarded, "")
            .await
    };
    for _ in 0..2 {
        let response = revoke().await;
        assert_ne!(response.status, 429);
        let policy = "\"default-per-day\";q=9;w=86400, \"default-per-hour\";q=2;w=3600";
        assert_eq!(response.header("ratelimit-policy"), Some(policy));
        assert_eq!(response.header("x-ratelimit-limit"), Some("2"));
    }
    let problem = revoke().await.assert_problem(429, "rate-limited");
    assert_eq!(problem["violated-policies"], json!(["default-per-hour"]));
}

#[tokio::test]
async fn the_time_of_a_reset_is_never_early() {
    let server = server(Quotas {
        strategy: QuotaStrategy::MovingWindow,
        ..Quotas::default()
    });
    // The first request is at 1795392000.9 s and leaves the window a minute later.
    for (wait, left) in [(900, 60), (600, 60), (700, 59)] {
        server.clock.advance(Duration::from_millis(wait));
        let response = post_from(&server, "/api/v1/message", "192.0.2.1").await;
        assert_eq!(response.header("x-ratelimit-reset"), Some("1795392061"));
        let state = response.header("ratelimit").unwrap();
        assert!(state.ends_with(&format!(";t={left}")), "{state}");
    }
}

#[tokio::test]
async fn a_rejection_lists_every_exceeded_limit_and_names_the_last_to_reset() {
    let server = server(Quotas {
        message: "2 per minute;9 per day;2 per hour",
        ..Quotas::default()
    });
    for _ in 0..2 {
        post_from(&server, "/api/v1/message", "192.0.2.1").await;
    }
    let response = post_from(&server, "/api/v1/message", "192.0.2.1").await;
    let problem = response.assert_problem(429, "rate-limited");
    let violated = json!(["message-per-minute", "message-per-hour"]);
    assert_eq!(problem["violated-policies"], violated);
    assert_eq!(response.header("retry-after"), Some("3600"));
    let detail = "The limit of 2 per hour (message-per-hour) is reached. Try again in 3600 s.";
    assert_eq!(problem["detail"], detail);
}

#[tokio::test]
async fn monitoring_and_requests_outside_the_api_are_not_counted() {
    let once = "1 per year";
    let server = server(Quotas {
        message: once,
        read: once,
        delete: once,
        default: once,
        ..Quotas::default()
    });
    for path in [
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/metrics",
        "/",
        "/docs/",
        "/api-docs/openapi.json",
        "/problems/rate-limited",
        "/nowhere",
        "/api/nowhere",
        "/api/v1/limits",
        "/api/v1/info",
        "/api/v1/ping",
        "/api/v1/health",
        "/api/info",
        "/api/ping",
        "/api/health",
    ] {
        for _ in 0..3 {
            let response = get_from(&server, path, "192.0.2.1").await;
            assert_ne!(response.status, 429, "{path}");
            assert_eq!(response.header("ratelimit"), None, "{path}");
        }
    }
    for method in ["OPTIONS", "PUT"] {
        for _ in 0..3 {
            let response = server.call(method, "/api/v1/message", &[], "").await;
            assert_eq!(response.header("ratelimit"), None, "{method}");
            assert_ne!(response.status, 429, "{method}");
        }
    }
}

#[tokio::test]
async fn limits_are_listed_without_counting() {
    let server = server(Quotas {
        strategy: QuotaStrategy::MovingWindow,
        ..Quotas::default()
    });
    for _ in 0..3 {
        post_from(&server, "/api/v1/message", "2001:db8::1").await;
        server.clock.advance(Duration::from_secs(5));
    }
    for _ in 0..20 {
        let response = get_from(&server, "/api/v1/limits", "2001:db8::2").await;
        assert_eq!(response.status, 200);
        let limits = response.json();
        assert_eq!(limits["enabled"], true);
        assert_eq!(limits["client"], "2001:db8::/64");
        assert_eq!(limits["strategy"], "moving-window");
        assert_eq!(limits["degraded"], false);
        let rows = limits["limits"].as_array().unwrap();
        assert_eq!(rows.len(), 4 + 2, "{limits}");
        assert_eq!(
            rows[0],
            json!({
                "name": "message-per-minute",
                "routes": ["POST /api/v1/message", "POST /api/v1/topics/{topic}/messages",
                    "POST /api/v1/topics/{topic}/messages/batch", "POST /api/message"],
                "limit": 10, "window_seconds": 60, "used": 3, "remaining": 7,
                "reset_seconds": 45, "resets_at": "2026-11-23T00:01:00.000Z",
            })
        );
    }
}

#[tokio::test]
async fn all_limits_are_looked_at_at_once() {
    let server = server(Quotas::default());
    assert_eq!(server.get("/api/v1/limits").await.status, 200);
    assert_eq!(server.quotas.most_looks_at_once(), 5);
}

#[tokio::test]
async fn a_server_without_quotas_reports_it() {
    let server = TestServer::start();
    let limits = server.get("/api/v1/limits").await.json();
    assert_eq!(
        (&limits["enabled"], &limits["limits"]),
        (&json!(false), &json!([]))
    );
    let response = server.get("/api/v1/ping").await;
    assert_eq!(response.header("ratelimit-policy"), None);
}

#[tokio::test]
async fn counting_alone_is_visible_in_the_name_of_the_policy() {
    let server = server(Quotas {
        counts_alone: true,
        ..Quotas::default()
    });
    let response = post_from(&server, "/api/v1/message", "192.0.2.1").await;
    assert_eq!(
        response.header("ratelimit-policy"),
        Some("\"message-per-minute-degraded\";q=10;w=60")
    );
    let limits = get_from(&server, "/api/v1/limits", "192.0.2.1")
        .await
        .json();
    assert_eq!(limits["degraded"], true);
}

#[tokio::test]
async fn a_failing_counter_rejects_no_request() {
    let server = server(Quotas::default());
    server.fail_quotas();
    for _ in 0..20 {
        let response = post_from(&server, "/api/v1/message", "192.0.2.1").await;
        assert_eq!((response.status, response.header("ratelimit")), (201, None));
    }
    get_from(&server, "/api/v1/limits", "192.0.2.1")
        .await
        .assert_problem(500, "internal");
}

#[tokio::test]
async fn pages_of_other_origins_may_read_the_limits() {
    let server = TestServer::with_quotas(
        Quotas {
            message: "1 per minute",
            ..Quotas::default()
        },
        |settings| {
            settings.cors_origins =
                posthorn_http::CorsOrigins::parse("https://app.example").unwrap();
        },
    );
    let headers = [JSON, ("Origin", "https://app.example")];
    for status in [201, 429] {
        let response = server.call("POST", "/api/v1/message", &headers, BODY).await;
        assert_eq!(response.status, status);
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some("https://app.example")
        );
        let exposed = response
            .header("access-control-expose-headers")
            .unwrap()
            .to_lowercase();
        for name in ["ratelimit", "ratelimit-policy", "retry-after"] {
            assert!(
                exposed.split([',', ' ']).any(|exposed| exposed == name),
                "{exposed}"
            );
        }
    }
}
