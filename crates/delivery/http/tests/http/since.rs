//! `since`: pages and streams from a time on.

use std::time::Duration;

use serde_json::Value;

use crate::support::TestServer;

const PAGE: &str = "/api/v1/topics/t/messages";

/// The texts of a page.
async fn texts(server: &TestServer, query: &str) -> Vec<String> {
    let response = server.get(&format!("{PAGE}?{query}")).await;
    assert_eq!(response.status, 200, "{query}: {response:?}");
    let page = response.json();
    let messages = page["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["message"].as_str().unwrap().to_owned())
        .collect()
}

/// A server with messages of 00:00:00, 00:01:00 and 00:02:00; it is 00:03:00 now.
async fn server() -> TestServer {
    let server = TestServer::start();
    for text in ["a", "b", "c"] {
        server.accept("t", text).await;
        server.clock.advance(Duration::from_mins(1));
    }
    server
}

#[tokio::test]
async fn a_page_begins_at_a_time_or_a_duration_back() {
    let server = server().await;
    for (query, expected) in [
        ("since=2026-11-23T00:01:00Z", &["b", "c"][..]),
        ("since=2026-11-23T00:01:00.001Z", &["c"]),
        ("since=2026-11-23T03:01:00%2B03:00", &["b", "c"]),
        ("since=2026-11-23T03:01:00+03:00", &["b", "c"]),
        ("since=2m", &["b", "c"]),
        ("since=119s", &["c"]),
        ("since=1d", &["a", "b", "c"]),
        ("since=0s", &[]),
        ("since=2027-01-01T00:00:00Z", &[]),
        ("since=1970-01-01T00:00:00Z", &["a", "b", "c"]),
        ("since=2m&order=desc", &["c", "b"]),
        ("since=3m&limit=2", &["a", "b"]),
    ] {
        assert_eq!(texts(&server, query).await, expected, "{query}");
    }
    let page = server.get(&format!("{PAGE}?since=3m&limit=2")).await.json();
    let next = server.get(page["next"].as_str().unwrap()).await.json();
    assert_eq!(next["messages"][0]["message"], "c");
    server.prune_to(1).await;
    let page = server.get(&format!("{PAGE}?since=3m")).await.json();
    assert_eq!(page["truncated"], true);
    let page = server.get(&format!("{PAGE}?since=1m")).await.json();
    assert_eq!(page["truncated"], false);
}

#[tokio::test]
async fn an_invalid_time_and_a_second_cursor_are_refused() {
    let server = server().await;
    let id = "01KATQ2J00000000000000001F";
    for (query, field, code) in [
        ("since=yesterday".to_owned(), "since", "since"),
        ("since=2026-11-23T00:01:00".to_owned(), "since", "since"),
        (format!("since=1m&after={id}"), "since", "excludes"),
        (format!("since=1m&before={id}"), "since", "excludes"),
        ("since=1m&since=2m".to_owned(), "since", "duplicate-field"),
    ] {
        let response = server.get(&format!("{PAGE}?{query}")).await;
        let problem = response.assert_problem(400, "validation-failed");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let response = server.get("/api/v1/topics/t/stream?since=x").await;
    response.assert_problem(400, "validation-failed");
}

#[tokio::test]
async fn a_stream_begins_at_a_time() {
    let server = server().await;
    let mut connection = server.connect().await;
    connection
        .request("GET", "/api/v1/topics/t/stream?since=2m", &[], b"")
        .await;
    assert_eq!(connection.head().await.status, 200);
    let mut received = String::new();
    while !received.contains("\"c\"") {
        let chunk = connection.chunk().await.unwrap();
        received.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let texts = received
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let texts: Vec<_> = texts
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|message| Some(message["message"].as_str()?.to_owned()))
        .collect();
    assert_eq!(texts, ["b", "c"]);
}
