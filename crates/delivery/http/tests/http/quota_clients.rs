//! The clients that requests count for.

use posthorn_application::AccessPolicy;
use posthorn_http::ProxyHeader;
use posthorn_testkit::samples;
use serde_json::json;

use crate::support::{Quotas, Response, TestServer};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const BODY: &str = r#"{"message":"a"}"#;

fn server(quotas: Quotas) -> TestServer {
    TestServer::with_quotas(quotas, |settings| settings.trusted_proxy_hops = 1)
}

async fn post_from(server: &TestServer, path: &str, client: &str) -> Response {
    let headers = [JSON, ("X-Forwarded-For", client)];
    server.call("POST", path, &headers, BODY).await
}

async fn get_from(server: &TestServer, path: &str, client: &str) -> Response {
    let headers = [("X-Forwarded-For", client)];
    server.call("GET", path, &headers, "").await
}

#[tokio::test]
async fn clients_are_distinguished_by_the_proxy_header_and_networks_count_as_one() {
    let server = server(Quotas {
        message: "1 per minute",
        ..Quotas::default()
    });
    for (client, status) in [
        ("192.0.2.1", 201),
        ("192.0.2.1", 429),
        // Entries that the client sent stand before the one of the trusted proxy.
        ("198.51.100.7, 192.0.2.1", 429),
        ("192.0.2.2", 201),
        ("2001:db8:0:1::1", 201),
        ("2001:db8:0:1:ffff::2", 429),
        ("2001:db8:0:2::1", 201),
    ] {
        let response = post_from(&server, "/api/v1/message", client).await;
        assert_eq!(response.status, status, "{client}");
    }
}

#[tokio::test]
async fn headers_of_a_peer_that_is_not_a_trusted_proxy_are_ignored() {
    let quotas = Quotas {
        message: "1 per minute",
        ..Quotas::default()
    };
    let server = TestServer::with_quotas(quotas, |_| {});
    for number in 0..5 {
        let forged = format!("192.0.2.{number}");
        let forwarded = format!("for={forged}");
        let headers = [
            JSON,
            ("X-Forwarded-For", forged.as_str()),
            ("Forwarded", forwarded.as_str()),
            ("X-Real-IP", &forged),
        ];
        let response = server.call("POST", "/api/v1/message", &headers, BODY).await;
        assert_eq!(response.status, if number == 0 { 201 } else { 429 });
    }
    let limits = server.get("/api/v1/limits").await.json();
    assert_eq!(limits["client"], "127.0.0.1");
}

#[tokio::test]
async fn forwarded_counts_when_it_is_configured_and_alone() {
    let quotas = Quotas {
        message: "1 per minute",
        ..Quotas::default()
    };
    let server = TestServer::with_quotas(quotas, |settings| {
        settings.trusted_proxy_hops = 1;
        settings.trusted_proxy_header = ProxyHeader::Forwarded;
    });
    for (forwarded, status) in [
        ("for=192.0.2.1", 201),
        ("for=192.0.2.1;proto=https", 429),
        ("for=198.51.100.7, for=\"192.0.2.1:4711\"", 429),
        ("for=\"[2001:db8::1]\"", 201),
        ("for=\"[2001:db8::2]:80\"", 429),
    ] {
        let headers = [
            JSON,
            ("Forwarded", forwarded),
            ("X-Forwarded-For", "203.0.113.9"),
        ];
        let response = server.call("POST", "/api/v1/message", &headers, BODY).await;
        assert_eq!(response.status, status, "{forwarded}");
    }
}

#[tokio::test]
async fn exempt_clients_have_no_limits() {
    let server = server(Quotas {
        message: "1 per minute",
        exempt: &["192.0.2.0/24", "2001:db8::/32"],
        ..Quotas::default()
    });
    for _ in 0..3 {
        for client in ["192.0.2.77", "2001:db8:9::1"] {
            let response = post_from(&server, "/api/v1/message", client).await;
            assert_eq!((response.status, response.header("ratelimit")), (201, None));
        }
    }
    let limits = get_from(&server, "/api/v1/limits", "192.0.2.77")
        .await
        .json();
    assert_eq!(
        (&limits["exempt"], &limits["limits"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        post_from(&server, "/api/v1/message", "198.51.100.1")
            .await
            .status,
        201
    );
    assert_eq!(
        post_from(&server, "/api/v1/message", "198.51.100.1")
            .await
            .status,
        429
    );
}

#[tokio::test]
async fn the_bearer_of_a_token_is_one_client_at_any_address() {
    let server = server(Quotas {
        message: "2 per minute",
        ..Quotas::default()
    });
    for subject in ["alice", "bob"] {
        let claims = samples::claims(subject, "messages:write", &["*"]);
        server.tokens.set(subject, Ok(claims));
    }
    for (token, client, status) in [
        ("alice", "192.0.2.1", 201),
        ("alice", "2001:db8::1", 201),
        ("alice", "192.0.2.3", 429),
        ("bob", "192.0.2.1", 201),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [
            JSON,
            ("Authorization", bearer.as_str()),
            ("X-Forwarded-For", client),
        ];
        let response = server.call("POST", "/api/v1/message", &headers, BODY).await;
        assert_eq!(response.status, status, "{token} at {client}");
        let limits = server
            .call("GET", "/api/v1/limits", &headers[1..], "")
            .await;
        assert_eq!(limits.json()["client"], format!("sub:{token}"));
    }
    let response = post_from(&server, "/api/v1/message", "192.0.2.1").await;
    assert_eq!(response.header("x-ratelimit-remaining"), Some("1"));
}

#[tokio::test]
async fn unauthorized_requests_count_for_their_address_and_not_for_a_subject() {
    let quotas = Quotas {
        read: "3 per minute",
        message: "2 per minute",
        ..Quotas::default()
    };
    let policy = AccessPolicy::protected(true);
    let server = TestServer::with_access_and_quotas(policy, quotas, |_| {});
    let reader = samples::claims("reader", "messages:read", &["*"]);
    server.tokens.set("reader", Ok(reader));
    let call = async |method: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [JSON, ("Authorization", bearer.as_str())];
        let headers = &headers[..=usize::from(!token.is_empty())];
        let body = if method == "POST" { BODY } else { "" };
        let path = "/api/v1/topics/t/messages";
        server.call(method, path, headers, body).await
    };
    for (method, token, status, left) in [
        ("GET", "", 401, "2"),
        ("GET", "forged", 401, "1"),
        ("GET", "", 401, "0"),
        ("GET", "", 429, "0"),
        ("GET", "forged", 429, "0"),
        ("POST", "reader", 403, "1"),
        ("POST", "reader", 403, "0"),
        ("POST", "reader", 429, "0"),
        ("POST", "", 429, "0"),
        // A request with a valid token counts for its subject.
        ("GET", "reader", 200, "2"),
    ] {
        let response = call(method, token).await;
        let case = format!("{method} as `{token}`: {response:?}");
        assert_eq!(response.status, status, "{case}");
        let remaining = response.header("x-ratelimit-remaining");
        assert_eq!(remaining, Some(left), "{case}");
        let challenges = matches!(status, 401 | 403);
        let challenge = response.header("www-authenticate");
        assert_eq!(challenge.is_some(), challenges, "{case}");
    }
    // An exempt request is rejected for its token alone.
    let headers = [("Authorization", "Bearer forged")];
    let response = server.call("GET", "/api/v1/limits", &headers, "").await;
    response.assert_problem(401, "unauthorized");
    assert_eq!(response.header("ratelimit"), None);
}
