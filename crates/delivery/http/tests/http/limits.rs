//! Limits: body size, time, requests in flight, rate.

use std::time::Duration;

use posthorn_http::Shed;
use posthorn_testkit::eventually;
use tokio::time::timeout;

use crate::support::{Behaviour, Connection, TestServer};

const SOON: Duration = Duration::from_secs(10);
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn body_of(length: usize) -> String {
    let frame = r#"{"message":""}"#.len();
    format!(r#"{{"message":"{}"}}"#, "x".repeat(length - frame))
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_and_a_larger_one_rejected() {
    let server = TestServer::with(|settings| settings.max_body_bytes = 100);
    let response = server.post("/api/v1/message", body_of(100)).await;
    assert_eq!(response.status, 201);
    for path in [
        "/api/v1/message",
        "/api/v1/topics/t/messages",
        "/api/message",
    ] {
        let response = server.post(path, body_of(101)).await;
        response.assert_problem(413, "payload-too-large");
    }
    assert_eq!(server.recorder.rejected(), ["payload-too-large"; 3]);
}

#[tokio::test]
async fn a_body_whose_length_is_too_large_is_rejected_before_it_arrives() {
    let server = TestServer::start();
    // A client that asks first is not told to send it.
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut connection = server.connect().await;
        let head = format!(
            "POST /api/v1/message HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
             {expect}Content-Length: 1000000000\r\n\r\n"
        );
        connection.send(&head).await;
        let response = connection.response("POST").await;
        response.assert_problem(413, "payload-too-large");
        assert_eq!(response.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_chunked_body_is_rejected_once_it_is_too_large() {
    let server = TestServer::with(|settings| settings.max_body_bytes = 100);
    let head = "POST /api/v1/message HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let mut connection = server.connect().await;
    let body = body_of(100);
    let chunked = format!(
        "{head}40\r\n{}\r\n24\r\n{}\r\n0\r\n\r\n",
        &body[..64],
        &body[64..]
    );
    connection.send(chunked).await;
    assert_eq!(connection.response("POST").await.status, 201);
    // This body never ends.
    let mut connection = server.connect().await;
    connection
        .send(format!("{head}65\r\n{}\r\n", body_of(101)))
        .await;
    let response = connection.response("POST").await;
    response.assert_problem(413, "payload-too-large");
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_given_up() {
    let framings = [
        "Content-Length: 50\r\n\r\n{",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ];
    // A pull may wait for longer, its body not.
    let paths = ["/api/v1/message", "/api/v1/topics/t/consumers/c/pull"];
    for (path, framing) in paths
        .map(|path| framings.map(|framing| (path, framing)))
        .concat()
    {
        let server =
            TestServer::with(|settings| settings.request_timeout = Duration::from_millis(200));
        let mut connection = server.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{framing}"
        );
        connection.send(head).await;
        let response = connection.response("POST");
        let response = timeout(Duration::from_secs(10), response).await.unwrap();
        assert_eq!(response.header("connection"), Some("close"), "{framing}");
        response.assert_problem(408, "request-timeout");
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(server.recorder.shed(), [Shed::RequestTimeout]);
    }
}

#[tokio::test]
async fn a_response_that_is_not_ready_in_time_is_abandoned() {
    let server = TestServer::with(|settings| settings.request_timeout = Duration::from_millis(200));
    server.store_behaves(Behaviour::Hang);
    for (method, path, body) in [
        ("POST", "/api/v1/message", r#"{"message": "a"}"#),
        ("GET", "/api/v1/topics", ""),
        // Its handler does not read the body.
        (
            "DELETE",
            "/api/v1/topics/t/messages/000000000000000000000000G1",
            "{}",
        ),
        ("GET", "/api/v1/topics/t/stream", ""),
        ("GET", "/health/ready", ""),
    ] {
        let response = server.call(method, path, &[JSON], body).await;
        response.assert_problem(503, "overloaded");
    }
    assert_eq!(server.recorder.streams(), 0);
}

#[tokio::test]
async fn above_the_limit_requests_are_rejected_and_probes_are_not() {
    let server = TestServer::with(|settings| settings.max_in_flight = 2);
    server.store_behaves(Behaviour::Hang);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut connection = server.connect().await;
        connection.request("GET", "/api/v1/topics", &[], b"").await;
        waiting.push(connection);
    }
    eventually(SOON, async || server.store_operations() == 2).await;
    for path in [
        "/api/v1/ping",
        "/api/ping",
        "/",
        "/docs/",
        "/api/v1/topics/t/stream",
    ] {
        let response = server.get(path).await;
        response.assert_problem(503, "overloaded");
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    assert_eq!(server.recorder.shed(), [Shed::InFlight; 5]);
    for path in ["/health/live", "/health/startup", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    server.store_behaves(Behaviour::PassOn);
    for connection in &mut waiting {
        assert_eq!(connection.response("GET").await.status, 200);
    }
    assert_eq!(server.get("/api/v1/ping").await.status, 200);
}

/// Sends the head of a message and the first bytes of its body.
async fn begin_body(server: &TestServer, length: usize, first: &[u8]) -> Connection {
    begin_body_of(server, "192.0.2.1", length, first).await
}

/// As [`begin_body`], for a client behind a proxy.
async fn begin_body_of(
    server: &TestServer,
    client: &str,
    length: usize,
    first: &[u8],
) -> Connection {
    let mut connection = server.connect().await;
    let head = format!(
        "POST /api/v1/message HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
        X-Forwarded-For: {client}\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.send([head.as_bytes(), first].concat()).await;
    connection
}

#[tokio::test]
async fn a_request_that_waits_for_its_body_is_not_in_flight() {
    let server = TestServer::with(|settings| settings.max_in_flight = 1);
    let body = body_of(50);
    let (first, rest) = body.as_bytes().split_at(20);
    let mut slow = Vec::new();
    for waiting in 1..=3 {
        slow.push(begin_body(&server, 50, first).await);
        eventually(SOON, async || server.recorder.waiting() == waiting).await;
    }
    // The metric counts as the limit does.
    assert_eq!(server.recorder.in_flight(), 0);
    eventually(SOON, async || {
        server.post("/api/v1/message", body_of(50)).await.status == 201
    })
    .await;
    let mut last = slow.pop().unwrap();
    for mut connection in slow {
        connection.send(rest).await;
        assert_eq!(connection.response("POST").await.status, 201);
    }
    // With its body complete it is a request like any other.
    server.store_behaves(Behaviour::Hang);
    let before = server.store_operations();
    let mut busy = server.connect().await;
    busy.request("GET", "/api/v1/topics", &[], b"").await;
    eventually(SOON, async || server.store_operations() > before).await;
    last.send(rest).await;
    let response = last.response("POST").await;
    response.assert_problem(503, "overloaded");
    assert_eq!(response.header("connection"), None);
}

#[tokio::test]
async fn incomplete_bodies_take_no_more_memory_than_requests_in_flight() {
    let server = TestServer::with(|settings| {
        (settings.max_in_flight, settings.max_body_bytes) = (2, 1000);
        settings.max_batch_bytes = 1000;
        settings.trusted_proxy_hops = 1;
    });
    let mut slow = Vec::new();
    for (waiting, client) in [(1, "192.0.2.1"), (2, "192.0.2.2")] {
        slow.push(begin_body_of(&server, client, 1000, &[b' '; 900]).await);
        eventually(SOON, async || server.recorder.waiting() == waiting).await;
    }
    let mut one_more = begin_body_of(&server, "192.0.2.3", 1000, &[b' '; 900]).await;
    let response = one_more.response("POST").await;
    response.assert_problem(503, "overloaded");
    assert_eq!(server.recorder.shed(), [Shed::BodyBytes]);
    drop(slow);
    eventually(SOON, async || server.recorder.waiting() == 0).await;
    let mut connection = begin_body(&server, 1000, &[b' '; 900]).await;
    connection.send(body_of(100)).await;
    assert_eq!(connection.response("POST").await.status, 201);
}

#[tokio::test]
async fn the_incomplete_bodies_of_one_client_leave_memory_for_those_of_others() {
    let server = TestServer::with(|settings| {
        (settings.max_in_flight, settings.max_body_bytes) = (10, 1000);
        (settings.max_batch_bytes, settings.trusted_proxy_hops) = (1000, 1);
    });
    let (greedy, other) = ("2001:db8::1", "2001:db8:1::1");
    let mut slow = Vec::new();
    for waiting in 1..=2 {
        slow.push(begin_body_of(&server, greedy, 1000, &[b' '; 900]).await);
        eventually(SOON, async || server.recorder.waiting() == waiting).await;
    }
    let mut one_more = begin_body_of(&server, greedy, 1000, &[b' '; 900]).await;
    let response = one_more.response("POST").await;
    response.assert_problem(503, "overloaded");
    let mut connection = begin_body_of(&server, other, 1000, &[b' '; 900]).await;
    eventually(SOON, async || server.recorder.waiting() == 3).await;
    connection.send(body_of(100)).await;
    assert_eq!(connection.response("POST").await.status, 201);
    // The share is free again.
    drop(slow);
    eventually(SOON, async || server.recorder.waiting() == 0).await;
    let mut connection = begin_body_of(&server, greedy, 1000, &[b' '; 900]).await;
    connection.send(body_of(100)).await;
    assert_eq!(connection.response("POST").await.status, 201);
}

#[tokio::test]
async fn a_client_that_disconnects_releases_its_permit() {
    let server = TestServer::with(|settings| settings.max_in_flight = 1);
    server.store_behaves(Behaviour::Hang);
    let mut connection = server.connect().await;
    connection.request("GET", "/api/v1/topics", &[], b"").await;
    eventually(SOON, async || server.recorder.in_flight() == 1).await;
    server
        .get("/api/v1/ping")
        .await
        .assert_problem(503, "overloaded");
    server.store_behaves(Behaviour::PassOn);
    drop(connection);
    eventually(SOON, async || server.recorder.in_flight() == 0).await;
    assert_eq!(server.get("/api/v1/ping").await.status, 200);
}

#[tokio::test]
async fn a_response_lists_a_bounded_number_of_problems() {
    let server = TestServer::start();
    let names: Vec<_> = (0..2500).map(|n| format!("\"{n}\":1")).collect();
    let names = names.join(",");
    let twice = format!("{{{names},{names}}}");
    let attributes = format!(r#"{{"message":"a","attributes":{{{names}}}}}"#);
    let parameters = "x&".repeat(20_000);
    for response in [
        server.post("/api/v1/message", format!("{{{names}}}")).await,
        server.post("/api/v1/message", twice).await,
        server.post("/api/v1/message", attributes).await,
        server.get(&format!("/api/v1/topics?{parameters}")).await,
    ] {
        let problem = response.assert_problem(400, "validation-failed");
        let count = problem["errors"].as_array().unwrap().len();
        assert!((100..=110).contains(&count), "{count}");
    }
}

#[tokio::test]
async fn a_client_above_the_flood_rate_is_rejected_and_probes_are_not() {
    let server = TestServer::with(|settings| {
        (settings.flood_per_second, settings.flood_burst) = (1, 3);
        settings.trusted_proxy_hops = 1;
    });
    let ask = async |path: &str, client: &str| {
        let headers = [("X-Forwarded-For", client)];
        server.call("GET", path, &headers, "").await
    };
    for _ in 0..3 {
        assert_eq!(ask("/api/v1/ping", "2001:db8::1").await.status, 200);
    }
    // Any route, and any address of the same network.
    for path in ["/api/v1/ping", "/nowhere", "/"] {
        let response = ask(path, "2001:db8::2").await;
        let problem = response.assert_problem(429, "rate-limited");
        assert_eq!(problem["violated-policies"], serde_json::json!(["flood"]));
        let policy = response.header("ratelimit-policy");
        assert_eq!(policy, Some("\"flood\";q=3;w=3"));
        let remaining = response.header("x-ratelimit-remaining");
        assert_eq!(remaining, Some("0"));
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&wait), "{wait}");
    }
    assert_eq!(server.recorder.shed(), [Shed::Flood; 3]);
    assert_eq!(ask("/api/v1/ping", "192.0.2.1").await.status, 200);
    for _ in 0..10 {
        assert_eq!(ask("/health/live", "192.0.2.1").await.status, 200);
        assert_eq!(ask("/health/liv%65", "192.0.2.1").await.status, 200);
        assert_eq!(ask("/metrics", "192.0.2.1").await.status, 200);
    }
}
