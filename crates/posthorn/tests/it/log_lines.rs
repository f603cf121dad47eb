//! Every line of a run with requests of each kind, parsed as strictly as a log store parses it.

use std::collections::{BTreeMap, BTreeSet};

use posthorn_testkit::{RedisServer, UniqueMembers, eventually};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::receiver::Receiver;
use crate::support::{PATIENCE, Server};
use crate::tokens::{KEY, issue};
use crate::webhooks::ALLOWED;

/// The first fields of every line, in their order.
const COMMON: [&str; 10] = [
    "v", "name", "hostname", "pid", "level", "time", "target", "line", "file", "msg",
];
/// The form of every time: RFC 3339 in UTC with microseconds.
const TIME: &str = "0000-00-00T00:00:00.000000Z";
const EVERY_SCOPE: &str = "messages:read messages:write messages:delete messages:consume \
    consumers:manage webhooks:manage tokens:revoke";

/// What the run has to have logged, by the messages of lines or the start of them.
const EXPECTED: [&str; 11] = [
    "ready: open ",
    "request finished",
    "request failed",
    "stream ended",
    "audit",
    "webhook disabled",
    "not ready",
    "ready again",
    "draining: ",
    "stopping: ",
    "stopped",
];

/// Sends requests of one token.
struct Session<'a> {
    server: &'a Server,
    token: String,
}

impl Session<'_> {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.server.url);
        let request = self.server.client.request(method, url);
        request.bearer_auth(&self.token)
    }

    #[track_caller]
    fn expect(
        &self,
        status: u16,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> impl Future<Output = Value> {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let case = format!("{status} of {path}");
        async move {
            let response = request.send().await.unwrap();
            let found = response.status().as_u16();
            let text = response.text().await.unwrap();
            assert_eq!(found, status, "{case}: {text}");
            serde_json::from_str(&text).unwrap_or_default()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_mixed_run_is_one_strict_object() {
    let mut redis = RedisServer::start().await;
    let (directory, receiver) = (TempDir::new().unwrap(), Receiver::start().await);
    let url = redis.url();
    let environment = [
        ALLOWED,
        ("SECRET_KEY", KEY),
        ("STORE_URL", url.as_str()),
        ("REDIS_URL", url.as_str()),
        ("LOG_LEVEL", "debug"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_MESSAGE", "20 per hour"),
    ];
    let mut server = Server::start(&directory, &environment).await;
    let arguments = ["--sub", "all", "--scope", EVERY_SCOPE];
    let token = issue(&directory, KEY, &arguments).await;
    let session = Session {
        server: &server,
        token,
    };
    accepted_requests(&session, &receiver).await;
    rejected_requests(&session).await;
    bytes_that_are_no_request(&server).await;

    redis.stop();
    eventually(PATIENCE, async || server.logged("\"not ready\"") > 0).await;
    let page = "/api/v1/topics/orders/messages";
    session.expect(503, Method::GET, page, None).await;
    redis.start_again().await;
    eventually(PATIENCE, async || server.logged("\"ready again\"") > 0).await;
    server.signal("TERM").await;
    assert!(server.ended().await.success());
    eventually(PATIENCE, async || server.logged("\"stopped\"") > 0).await;

    check_lines(&server.log.lock().unwrap());
}

/// Requests of each kind that succeed: messages, pages, a stream, a consumer, webhooks, probes, pages for people.
async fn accepted_requests(session: &Session<'_>, receiver: &Receiver) {
    let topic = "/api/v1/topics/orders";
    // A webhook whose attempts fail, and one that its receiver ends.
    for path in ["500", "gone"] {
        let settings = json!({"url": format!("{}/{path}", receiver.url), "schedule_seconds": [0]});
        let webhook = format!("{topic}/webhooks/{path}");
        session
            .expect(201, Method::PUT, &webhook, Some(&settings))
            .await;
    }
    let consumer = format!("{topic}/consumers/worker");
    session
        .expect(201, Method::PUT, &consumer, Some(&json!({})))
        .await;
    let stream = session.request(Method::GET, &format!("{topic}/stream"));
    let mut stream = stream.send().await.unwrap();
    let text = json!({"message": "Say \"hello\"\n\\ \u{1f4ef}"});
    let messages = format!("{topic}/messages");
    let receipt = session
        .expect(201, Method::POST, &messages, Some(&text))
        .await;
    let mut seen = String::new();
    while !seen.contains("event: message") {
        let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    drop(stream);
    let batch = json!([{"message": "one"}, {"message": "two"}]);
    let all = format!("{messages}/batch");
    session.expect(201, Method::POST, &all, Some(&batch)).await;
    let pulled = session
        .expect(
            200,
            Method::POST,
            &format!("{consumer}/pull"),
            Some(&json!({})),
        )
        .await;
    let tokens = json!({"leases": [pulled["messages"][0]["lease"]]});
    session
        .expect(200, Method::POST, &format!("{consumer}/ack"), Some(&tokens))
        .await;
    let attempt = format!("{topic}/webhooks/500/test");
    session
        .expect(200, Method::POST, &attempt, Some(&json!({})))
        .await;
    let attempts = format!("{topic}/webhooks/500/attempts");
    eventually(PATIENCE, async || {
        let found = session.expect(200, Method::GET, &attempts, None).await;
        found["attempts"].as_array().unwrap().len() > 1
            && session.server.logged("\"webhook disabled\"") > 0
    })
    .await;
    for path in [
        "/",
        "/docs/",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/api/v1/health",
        "/api/ping",
        "/api/v1/limits",
        "/api-docs/openapi.json",
        "/problems/internal",
        "/api/v1/topics",
        &messages,
    ] {
        session.expect(200, Method::GET, path, None).await;
    }
    let id = receipt["id"].as_str().unwrap();
    let one = format!("{messages}/{id}");
    session.expect(204, Method::DELETE, &one, None).await;
    session.expect(204, Method::DELETE, &consumer, None).await;
}

/// A rejection of each kind, with texts of the client that a line must escape.
async fn rejected_requests(session: &Session<'_>) {
    let message = "/api/v1/message";
    session
        .expect(
            404,
            Method::GET,
            "/no%22where%0A%F0%9F%93%AF?token=s3cret",
            None,
        )
        .await;
    session.expect(405, Method::PUT, message, None).await;
    session
        .expect(
            400,
            Method::POST,
            message,
            Some(&json!({"message": 1, "x\"": 2})),
        )
        .await;
    let large = json!({"message": "x".repeat(70_000)});
    session
        .expect(413, Method::POST, message, Some(&large))
        .await;
    let text = session.request(Method::POST, message).body("text");
    assert_eq!(
        text.send().await.unwrap().status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let agent = "a \"quoted\" \\ agent \u{e9} ".repeat(20);
    let url = format!("{}/api/v1/topics", session.server.url);
    let forged = session.server.client.get(url).bearer_auth("forged");
    let forged = forged.header("User-Agent", agent.as_bytes());
    let forged = forged.send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    let absent = "/api/v1/topics/orders/messages/000000000000000000000000G1";
    session.expect(404, Method::DELETE, absent, None).await;
    let mut statuses = BTreeSet::new();
    for _ in 0..20 {
        let text = json!({"message": "many"});
        let sent = session.request(Method::POST, message).json(&text).send();
        statuses.insert(sent.await.unwrap().status().as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

async fn bytes_that_are_no_request(server: &Server) {
    let address = server.url.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection
        .write_all(b"\xff\"\x00 not HTTP\r\n\r\n")
        .await
        .unwrap();
    let mut response = Vec::new();
    connection.read_to_end(&mut response).await.unwrap();
    assert!(response.starts_with(b"HTTP/1.1 400"), "{response:?}");
}

/// Checks each line alone, then that all lines have one order of names and that every kind of line was there.
fn check_lines(lines: &[String]) {
    let mut found = BTreeSet::new();
    let mut orders = BTreeMap::new();
    for line in lines {
        let members = UniqueMembers::parse(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        check_line(&members, line);
        check_order(&members, line, &mut orders);
        let text = members.get("msg").and_then(Value::as_str).unwrap();
        let expected = EXPECTED.iter().filter(|start| text.starts_with(**start));
        found.extend(expected.copied());
        assert!(!line.contains("s3cret") && !line.contains(KEY), "{line}");
    }
    assert_eq!(found, BTreeSet::from(EXPECTED));
}

fn check_line(members: &UniqueMembers, line: &str) {
    let names = members.0.iter().map(|(name, _)| name.as_str());
    assert!(names.take(COMMON.len()).eq(COMMON), "{line}");
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let digits = |character: char| {
        if character.is_ascii_digit() {
            '0'
        } else {
            character
        }
    };
    let time = text("time").map(|time| time.chars().map(digits).collect::<String>());
    assert_eq!(time.as_deref(), Some(TIME), "{line}");
    let level = members.get("level").and_then(Value::as_u64);
    let level = level.filter(|level| [10, 20, 30, 40, 50].contains(level));
    assert!(level.is_some(), "{line}");
    // A value that is a list or an object would be a column of its own for each index.
    let mut values = members.0.iter().map(|(_, value)| value);
    assert!(
        !values.any(|value| value.is_array() || value.is_object()),
        "{line}"
    );
    let message = text("msg").unwrap_or_default();
    assert!(!message.is_empty(), "{line}");
    let ours =
        text("target").is_some_and(|target| target.starts_with("posthorn") || target == "audit");
    if ours {
        // A sentence without an end, and in one line: what varies is in fields.
        let starts_low = message.starts_with(|first: char| !first.is_uppercase());
        assert!(starts_low && !message.ends_with('.'), "{line}");
        assert!(!message.contains(char::is_control), "{line}");
    }
}

/// Checks that no two names are in the reverse order of another line's.
fn check_order(
    members: &UniqueMembers,
    line: &str,
    orders: &mut BTreeMap<(String, String), String>,
) {
    let names: Vec<_> = members.0.iter().map(|(name, _)| name.clone()).collect();
    for (place, first) in names.iter().enumerate() {
        for second in &names[place + 1..] {
            let reverse = orders.get(&(second.clone(), first.clone()));
            assert_eq!(reverse, None, "`{first}` before `{second}` in {line}");
            let pair = (first.clone(), second.clone());
            orders.entry(pair).or_insert_with(|| line.to_owned());
        }
    }
}
