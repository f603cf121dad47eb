//! Tokens on a server in production, and the commands that issue and revoke them.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, NewToken, TokenIssuer};
use posthorn_domain::{Scope, Scopes, Subject, Timestamp, TokenId, TopicPattern};
use posthorn_jwt::JwtTokens;
use posthorn_testkit::{FakeClock, eventually};
use reqwest::{Method, Response, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{PATIENCE, Server, run};

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PRODUCTION: [(&str, &str); 4] = [
    ("ENVIRONMENT", "production"),
    ("SECRET_KEY", KEY),
    ("DRAIN_DELAY", "0s"),
    ("RATE_LIMIT_ENABLED", "false"),
];
const EVERYTHING: &str = "messages:read,messages:write,messages:delete";

/// Issues a token by the command line.
pub(crate) async fn issue(directory: &TempDir, key: &str, arguments: &[&str]) -> String {
    let arguments = [&["token", "issue"], arguments].concat();
    let (status, stdout, stderr) = run(directory.path(), &arguments, &[("SECRET_KEY", key)]).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    stdout.trim().to_owned()
}

pub(crate) async fn call(server: &Server, method: Method, path: &str, token: &str) -> Response {
    let request = server
        .client
        .request(method, format!("{}{path}", server.url));
    request.bearer_auth(token).send().await.unwrap()
}

pub(crate) async fn status(server: &Server, token: &str) -> u16 {
    let answer = call(server, Method::GET, "/api/v1/topics/inbox/messages", token).await;
    answer.status().as_u16()
}

/// Signs a token at the time `now`, as an attacker or another service would.
fn forged(key: &str, now: Timestamp, topics: &str) -> String {
    let clock = Arc::new(FakeClock::new());
    clock.set_now(now);
    let tokens = JwtTokens::new(&SecretString::from(key), None, clock);
    let token = NewToken {
        id: TokenId::parse("forged-1").unwrap(),
        subject: Subject::parse("mallory").unwrap(),
        scopes: Scopes::from_iter(Scope::ALL),
        topics: vec![TopicPattern::parse(topics).unwrap()],
        ttl: Duration::from_hours(1),
    };
    tokens.issue(&token).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_cannot_be_issued_without_the_servers_key() {
    let directory = TempDir::new().unwrap();
    for arguments in [
        vec!["token", "issue", "--sub", "a", "--scope", "messages:read"],
        vec!["token", "revoke", "id-1"],
    ] {
        let (status, stdout, stderr) = run(directory.path(), &arguments, &[]).await;
        assert_eq!(status.code(), Some(78), "{stderr}");
        assert!(stderr.contains("SECRET_KEY is not set"), "{stderr}");
        assert_eq!(stdout, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_arguments_of_a_token_are_named() {
    let directory = TempDir::new().unwrap();
    for (sub, scope, topics, ttl, code, expected) in [
        ("a b", "messages:read", "*", "1h", 2, "visible ASCII"),
        ("a", "messages:all", "*", "1h", 2, "messages:all"),
        ("a", ",", "*", "1h", 2, "is not a scope"),
        ("a", "messages:read", "A", "1h", 2, "a pattern of topics"),
        ("a", "messages:read", "*", "366d", 2, "365 days"),
        ("a", "messages:read", "*", "0s", 2, "1 second"),
    ] {
        let arguments = [
            "token", "issue", "--sub", sub, "--scope", scope, "--topics", topics, "--ttl", ttl,
        ];
        let environment = [("SECRET_KEY", KEY)];
        let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!(status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_prints_the_claims_of_a_token_and_whether_it_is_valid() {
    let directory = TempDir::new().unwrap();
    let arguments = [
        "--sub",
        "alice",
        "--scope",
        "messages:read messages:write",
        "--topics",
        "a.*,b",
    ];
    let token = issue(&directory, KEY, &arguments).await;
    let other = "fedcba9876543210fedcba9876543210";
    for (environment, code, expected) in [
        (vec![("SECRET_KEY", KEY)], 0, "valid    yes"),
        (vec![("SECRET_KEY", other)], 1, "signature is not valid"),
        (
            vec![("SECRET_KEY", other), ("SECRET_KEY_PREVIOUS", KEY)],
            0,
            "valid    yes",
        ),
        (vec![], 1, "SECRET_KEY is not set"),
    ] {
        let mut environment = environment;
        environment.push(("POSTHORN_TOKEN", &token));
        let arguments = ["token", "inspect"];
        let (status, stdout, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!(status.code(), Some(code), "{stdout}{stderr}");
        for line in [
            "sub      alice",
            "messages:write messages:read",
            "a.* b",
            expected,
        ] {
            assert!(stdout.contains(line), "{line}: {stdout}");
        }
        assert!(!stdout.contains(KEY) && !stderr.contains(KEY));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn production_requires_tokens_and_logs_one_audit_event_for_a_delete() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &PRODUCTION).await;
    let receipt: Value = server.post("anyone may send").await.json().await.unwrap();
    let path = receipt_path(&receipt);
    assert_eq!(server.get(&path).await.status(), StatusCode::UNAUTHORIZED);
    let reader = issue(
        &directory,
        KEY,
        &["--sub", "reader", "--scope", "messages:read"],
    )
    .await;
    let answer = call(&server, Method::GET, &path, &reader).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = call(&server, Method::DELETE, &path, &reader).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.text().await.unwrap().contains("messages:delete"));
    let all = issue(
        &directory,
        KEY,
        &["--sub", "cleaner", "--scope", EVERYTHING],
    )
    .await;
    let answer = call(&server, Method::DELETE, &path, &all).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    eventually(PATIENCE, async || server.logged("delete-message") == 1).await;
    let log = server.log.lock().unwrap();
    let event = log
        .iter()
        .find(|line| line.contains("delete-message"))
        .unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["target"], "audit");
    assert_eq!(event["sub"], "cleaner");
    assert_eq!(event["request_id"], id.as_str());
    assert_eq!(event["outcome"], "done");
    assert!(path.ends_with(event["object"].as_str().unwrap().split_once('/').unwrap().1));
}

fn receipt_path(receipt: &Value) -> String {
    let (topic, id) = (
        receipt["topic"].as_str().unwrap(),
        receipt["id"].as_str().unwrap(),
    );
    format!("/api/v1/topics/{topic}/messages/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_requires_a_token_in_production_if_configured() {
    let directory = TempDir::new().unwrap();
    let environment = [&PRODUCTION[..], &[("REQUIRE_WRITE_TOKEN", "true")]].concat();
    let server = Server::start(&directory, &environment).await;
    assert_eq!(server.post("no").await.status(), StatusCode::UNAUTHORIZED);
    let arguments = [
        "--sub",
        "w",
        "--scope",
        "messages:write",
        "--topics",
        "inbox",
    ];
    let token = issue(&directory, KEY, &arguments).await;
    let environment = [
        ("POSTHORN_URL", server.url.as_str()),
        ("POSTHORN_TOKEN", &token),
    ];
    let (status, _, stderr) = run(directory.path(), &["send", "yes"], &environment).await;
    assert_eq!(status.code(), Some(0), "{stderr}");
    let arguments = ["send", "no", "--topic", "elsewhere"];
    let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("forbidden") && stderr.contains("elsewhere"),
        "{stderr}"
    );
    for command in ["send", "tail"] {
        let (_, stdout, _) = run(directory.path(), &[command, "--help"], &[]).await;
        assert!(stdout.contains("POSTHORN_TOKEN"), "{stdout}");
    }
    // A stream requires the scope for reading, which this token lacks.
    let (status, _, stderr) = run(directory.path(), &["tail", "inbox"], &environment).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("messages:read"), "{stderr}");
    let environment = [("POSTHORN_URL", server.url.as_str())];
    let (status, _, stderr) = run(directory.path(), &["tail", "inbox"], &environment).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        stderr.contains("401 unauthorized") && stderr.contains("POSTHORN_TOKEN is not set"),
        "{stderr}"
    );
    let arguments = ["tail", "inbox", "--token", "x"];
    let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("the token is that of --token"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_invalid_token_is_accepted_and_none_is_logged() {
    let directory = TempDir::new().unwrap();
    let environment = [&PRODUCTION[..], &[("LOG_LEVEL", "trace")]].concat();
    let server = Server::start(&directory, &environment).await;
    let now = posthorn_system::SystemClock::new().now();
    let good = forged(KEY, now, "*");
    assert_eq!(status(&server, &good).await, 200);
    let parts: Vec<_> = good.split('.').collect();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    let over_long = format!("{good}{}", "A".repeat(5000));
    let bad = [
        (
            forged("fedcba9876543210fedcba9876543210", now, "*"),
            401,
            "signature",
        ),
        (
            forged(KEY, now.saturating_sub(Duration::from_hours(2)), "*"),
            401,
            "expired",
        ),
        (
            format!("{}.{}.{}", parts[0], parts[1], "A".repeat(43)),
            401,
            "signature",
        ),
        (unsigned, 401, "algorithm"),
        (over_long, 401, "too-long"),
        ("malformed-token-of-mine".to_owned(), 401, "malformed"),
        (forged(KEY, now, "elsewhere.*"), 403, "topic"),
    ];
    for (token, expected, reason) in &bad {
        assert_eq!(status(&server, token).await, *expected, "{reason}");
        let series = format!("app_auth_failures_total{{reason=\"{reason}\"}}");
        assert!(server.metric(&series).await.unwrap() >= 1.0, "{reason}");
    }
    server.signal("TERM").await;
    let mut server = server;
    server.ended().await;
    let log = server.log.lock().unwrap().join("\n");
    assert!(
        log.contains("/api/v1/topics/{topic}/messages"),
        "requests are logged"
    );
    for token in bad.iter().map(|(token, ..)| token).chain([&good]) {
        for part in token.split('.').filter(|part| part.len() > 20) {
            let shown = part.get(..20).unwrap();
            // The header of all tokens is the same and not secret.
            assert!(
                shown.starts_with("eyJ0eXAi") || !log.contains(shown),
                "{shown}"
            );
        }
    }
    assert!(!log.contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_guesses_tokens_is_throttled() {
    let directory = TempDir::new().unwrap();
    let environment = [&PRODUCTION[..], &[("RATE_LIMIT_AUTH_FAILURES", "3/day")]].concat();
    let server = Server::start(&directory, &environment).await;
    for _ in 0..3 {
        assert_eq!(status(&server, "guess").await, 401);
    }
    let answer = call(&server, Method::GET, "/api/v1/ping", "guess").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    let good = issue(&directory, KEY, &["--sub", "r", "--scope", "messages:read"]).await;
    assert_eq!(status(&server, &good).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn development_is_open_and_logs_a_warning() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("REQUIRE_WRITE_TOKEN", "true")]).await;
    let receipt: Value = server.post("anyone").await.json().await.unwrap();
    let path = receipt_path(&receipt);
    assert_eq!(server.get(&path).await.status(), StatusCode::OK);
    let answer = server
        .client
        .delete(format!("{}{path}", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let page = server.get("/").await.text().await.unwrap();
    assert!(page.contains("ENVIRONMENT=production"), "{page}");
    eventually(PATIENCE, async || {
        server.logged("access is open") == 1 && server.logged("REQUIRE_WRITE_TOKEN") == 1
    })
    .await;
}
