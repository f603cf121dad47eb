//! Every route in every environment with every kind of token.

use std::collections::BTreeSet;

use posthorn_application::AccessPolicy;
use posthorn_http::route_table;
use posthorn_testkit::samples;

use crate::support::TestServer;

/// The requirement of a route in one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// No token; an invalid one is ignored.
    Nothing,
    /// No token; an invalid one is rejected.
    NoBadToken,
    /// A token with this scope.
    Scope(&'static str),
}

use Need::{NoBadToken, Nothing, Scope};

const READ: Need = Scope("messages:read");
const WRITE: Need = Scope("messages:write");
const DELETE: Need = Scope("messages:delete");
const CONSUME: Need = Scope("messages:consume");
const MANAGE: Need = Scope("consumers:manage");
const MANAGE_WEBHOOKS: Need = Scope("webhooks:manage");
const REVOKE: Need = Scope("tokens:revoke");

/// The environments: outside production, production, production with `REQUIRE_WRITE_TOKEN=true`.
const ENVIRONMENTS: [AccessPolicy; 3] = [
    AccessPolicy::OPEN,
    AccessPolicy::protected(false),
    AccessPolicy::protected(true),
];

const OPEN: [Need; 3] = [NoBadToken; 3];
const UNCHECKED: [Need; 3] = [Nothing; 3];
const READS: [Need; 3] = [NoBadToken, READ, READ];
const WRITES: [Need; 3] = [NoBadToken, NoBadToken, WRITE];
const DELETES: [Need; 3] = [NoBadToken, DELETE, DELETE];
const CONSUMES: [Need; 3] = [NoBadToken, CONSUME, CONSUME];
const MANAGES: [Need; 3] = [NoBadToken, MANAGE, MANAGE];
const WEBHOOK_MANAGES: [Need; 3] = [NoBadToken, MANAGE_WEBHOOKS, MANAGE_WEBHOOKS];
const REVOKES: [Need; 3] = [REVOKE; 3];

/// Template, method, a path, and the requirement in each environment.
const MATRIX: [(&str, &str, &str, [Need; 3]); 56] = [
    ("/api/v1/message", "POST", "/api/v1/message", WRITES),
    ("/api/v1/topics", "GET", "/api/v1/topics", READS),
    (MESSAGES, "GET", "/api/v1/topics/t/messages", READS),
    (MESSAGES, "POST", "/api/v1/topics/t/messages", WRITES),
    (
        MESSAGES,
        "DELETE",
        "/api/v1/topics/t/messages?before=000000000000000000000000G1",
        DELETES,
    ),
    (
        "/api/v1/topics/{topic}/messages/batch",
        "POST",
        "/api/v1/topics/t/messages/batch",
        WRITES,
    ),
    (
        MESSAGE,
        "GET",
        "/api/v1/topics/t/messages/000000000000000000000000G1",
        READS,
    ),
    (
        MESSAGE,
        "DELETE",
        "/api/v1/topics/t/messages/000000000000000000000000G1",
        DELETES,
    ),
    (
        "/api/v1/topics/{topic}/messages/{id}/consumers",
        "GET",
        "/api/v1/topics/t/messages/000000000000000000000000G1/consumers",
        CONSUMES,
    ),
    (
        "/api/v1/topics/{topic}/messages/{id}/webhooks",
        "GET",
        "/api/v1/topics/t/messages/000000000000000000000000G1/webhooks",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/stream",
        "GET",
        "/api/v1/topics/t/stream",
        READS,
    ),
    (CONSUMERS, "GET", "/api/v1/topics/t/consumers", CONSUMES),
    (CONSUMER, "GET", "/api/v1/topics/t/consumers/c", CONSUMES),
    (CONSUMER, "PUT", "/api/v1/topics/t/consumers/c", MANAGES),
    (CONSUMER, "DELETE", "/api/v1/topics/t/consumers/c", MANAGES),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/pull",
        "POST",
        "/api/v1/topics/t/consumers/c/pull",
        CONSUMES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/ack",
        "POST",
        "/api/v1/topics/t/consumers/c/ack",
        CONSUMES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/nack",
        "POST",
        "/api/v1/topics/t/consumers/c/nack",
        CONSUMES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/extend",
        "POST",
        "/api/v1/topics/t/consumers/c/extend",
        CONSUMES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/seek",
        "POST",
        "/api/v1/topics/t/consumers/c/seek",
        MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/dead",
        "GET",
        "/api/v1/topics/t/consumers/c/dead",
        MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/dead/redrive",
        "POST",
        "/api/v1/topics/t/consumers/c/dead/redrive",
        MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/consumers/{consumer}/dead/{id}",
        "DELETE",
        "/api/v1/topics/t/consumers/c/dead/000000000000000000000000G1",
        MANAGES,
    ),
    (
        WEBHOOKS,
        "GET",
        "/api/v1/topics/t/webhooks",
        WEBHOOK_MANAGES,
    ),
    (
        WEBHOOK,
        "GET",
        "/api/v1/topics/t/webhooks/w",
        WEBHOOK_MANAGES,
    ),
    (
        WEBHOOK,
        "PUT",
        "/api/v1/topics/t/webhooks/w",
        WEBHOOK_MANAGES,
    ),
    (
        WEBHOOK,
        "DELETE",
        "/api/v1/topics/t/webhooks/w",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/rotate-secret",
        "POST",
        "/api/v1/topics/t/webhooks/w/rotate-secret",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/enable",
        "POST",
        "/api/v1/topics/t/webhooks/w/enable",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/test",
        "POST",
        "/api/v1/topics/t/webhooks/w/test",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/replay",
        "POST",
        "/api/v1/topics/t/webhooks/w/replay",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/attempts",
        "GET",
        "/api/v1/topics/t/webhooks/w/attempts",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/dead",
        "GET",
        "/api/v1/topics/t/webhooks/w/dead",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/dead/redrive",
        "POST",
        "/api/v1/topics/t/webhooks/w/dead/redrive",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/topics/{topic}/webhooks/{webhook}/dead/{id}",
        "DELETE",
        "/api/v1/topics/t/webhooks/w/dead/000000000000000000000000G1",
        WEBHOOK_MANAGES,
    ),
    (
        "/api/v1/tokens/{jti}",
        "DELETE",
        "/api/v1/tokens/id-1",
        REVOKES,
    ),
    ("/api/v1/info", "GET", "/api/v1/info", OPEN),
    ("/api/v1/ping", "GET", "/api/v1/ping", OPEN),
    ("/api/v1/health", "GET", "/api/v1/health", OPEN),
    ("/api/v1/limits", "GET", "/api/v1/limits", OPEN),
    ("/api/message", "POST", "/api/message", WRITES),
    ("/api/info", "GET", "/api/info", OPEN),
    ("/api/ping", "GET", "/api/ping", OPEN),
    ("/api/health", "GET", "/api/health", OPEN),
    ("/health/live", "GET", "/health/live", UNCHECKED),
    ("/health/ready", "GET", "/health/ready", UNCHECKED),
    ("/health/startup", "GET", "/health/startup", UNCHECKED),
    ("/metrics", "GET", "/metrics", UNCHECKED),
    (
        "/api-docs/openapi.json",
        "GET",
        "/api-docs/openapi.json",
        UNCHECKED,
    ),
    ("/apispec_1.json", "GET", "/apispec_1.json", UNCHECKED),
    ("/docs/{file:.*}", "GET", "/docs/", UNCHECKED),
    ("/apidocs/", "GET", "/apidocs/", UNCHECKED),
    ("/apidocs", "GET", "/apidocs", UNCHECKED),
    ("/problems/{code}", "GET", "/problems/internal", UNCHECKED),
    ("/assets/{file:.*}", "GET", "/assets/page.js", UNCHECKED),
    ("/", "GET", "/", UNCHECKED),
];

const MESSAGES: &str = "/api/v1/topics/{topic}/messages";
const MESSAGE: &str = "/api/v1/topics/{topic}/messages/{id}";
const CONSUMERS: &str = "/api/v1/topics/{topic}/consumers";
const CONSUMER: &str = "/api/v1/topics/{topic}/consumers/{consumer}";
const WEBHOOKS: &str = "/api/v1/topics/{topic}/webhooks";
const WEBHOOK: &str = "/api/v1/topics/{topic}/webhooks/{webhook}";

/// The tokens: name, scopes, topics. The first two are no token and an invalid one.
const TOKENS: [(&str, &str, &[&str]); 11] = [
    ("", "", &[]),
    ("bad", "", &[]),
    ("reader", "messages:read", &["*"]),
    ("writer", "messages:write", &["*"]),
    ("deleter", "messages:delete", &["*"]),
    ("worker", "messages:consume", &["*"]),
    ("manager", "consumers:manage", &["*"]),
    ("sender", "webhooks:manage", &["*"]),
    ("revoker", "tokens:revoke", &[]),
    (
        "all",
        "messages:read messages:write messages:delete messages:consume consumers:manage webhooks:manage \
         tokens:revoke",
        &["*"],
    ),
    (
        "elsewhere",
        "messages:read messages:write messages:delete messages:consume consumers:manage webhooks:manage \
         tokens:revoke",
        &["other.*"],
    ),
];

/// The status of a rejection; `None` if the request is permitted.
fn refusal(need: Need, method: &str, path: &str, token: usize) -> Option<u16> {
    let (name, scopes, topics) = TOKENS[token];
    let names_topic = path.contains("/topics/t/");
    match need {
        Nothing => None,
        _ if name == "bad" => Some(401),
        Scope(_) if name.is_empty() => Some(401),
        Scope(scope) if !scopes.split(' ').any(|has| has == scope) => Some(403),
        Scope(_) if names_topic && topics != ["*"] => Some(403),
        // The body names no topic, so that the message goes to the inbox.
        Scope(_) if method == "POST" && topics != ["*"] => Some(403),
        NoBadToken | Scope(_) => None,
    }
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let rows: BTreeSet<_> = MATRIX.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(rows.len(), MATRIX.len());
    assert_eq!(rows, route_table().collect());
}

#[tokio::test]
async fn access_follows_the_matrix() {
    for (environment, policy) in ENVIRONMENTS.into_iter().enumerate() {
        let server = TestServer::with_access(policy, |_| {});
        for (name, scopes, topics) in &TOKENS[2..] {
            let claims = samples::claims(name, scopes, topics);
            server.tokens.set(name, Ok(claims));
        }
        for (_, method, path, needs) in MATRIX {
            for (token, (name, ..)) in TOKENS.iter().enumerate() {
                let bearer = format!("Bearer {name}");
                let mut headers = vec![("Content-Type", "application/json")];
                if !name.is_empty() {
                    headers.push(("Authorization", &bearer));
                }
                let body: &[u8] = if method == "POST" {
                    b"{\"message\":\"m\"}"
                } else {
                    b""
                };
                let mut connection = server.connect().await;
                connection.request(method, path, &headers, body).await;
                let status = connection.head().await.status;
                let case = format!("{method} {path} as {name} in {environment}: {status}");
                match refusal(needs[environment], method, path, token) {
                    Some(expected) => assert_eq!(status, expected, "{case}"),
                    None => assert!(!matches!(status, 401 | 403 | 405 | 429), "{case}"),
                }
            }
        }
    }
}

/// A rejected request reaches no use case.
#[tokio::test]
async fn a_rejected_request_does_not_reach_the_store() {
    let server = TestServer::with_access(AccessPolicy::protected(true), |_| {});
    for (_, method, path, needs) in MATRIX {
        if matches!(needs[2], Scope(_)) {
            let response = server.call(method, path, &[], "").await;
            response.assert_problem(401, "unauthorized");
        }
    }
    assert_eq!(server.store_operations(), 0);
}
