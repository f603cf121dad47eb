//! Live streams.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::Phase;
use posthorn_testkit::eventually;
use serde_json::{Value, json};

use crate::support::{Behaviour, Connection, TestServer};

const SOON: Duration = Duration::from_secs(10);
const PATH: &str = "/api/v1/topics/t/stream";

/// One event of a stream, as a browser reads it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: Option<String>,
    name: Option<String>,
    data: Option<String>,
    retry: Option<u64>,
}

/// A stream that is read event by event.
struct Reader {
    connection: Connection,
    text: String,
}

impl Reader {
    async fn open(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut connection = server.connect().await;
        connection.request("GET", path, headers, b"").await;
        let head = connection.head().await;
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        let mut reader = Self {
            connection,
            text: String::new(),
        };
        let first = reader.block().await.unwrap();
        assert!(first.retry.is_some(), "{first:?}");
        reader
    }

    /// The next block of fields; comments are skipped; `None` at the end.
    async fn block(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let mut event = Event::default();
                for line in block.lines().filter(|line| !line.is_empty()) {
                    if line.starts_with(':') {
                        continue;
                    }
                    let (name, value) = line.split_once(": ").unwrap();
                    match name {
                        "id" => event.id = Some(value.to_owned()),
                        "event" => event.name = Some(value.to_owned()),
                        "data" => {
                            assert!(event.data.is_none(), "more than one line of data");
                            event.data = Some(value.to_owned());
                        }
                        "retry" => event.retry = Some(value.parse().unwrap()),
                        other => panic!("unknown field {other}"),
                    }
                }
                if event != Event::default() {
                    return Some(event);
                }
            }
            let chunk = self.connection.chunk().await?;
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The text of the next message.
    async fn message(&mut self) -> String {
        let event = self.block().await.unwrap();
        assert_eq!(event.name.as_deref(), Some("message"), "{event:?}");
        let data: Value = serde_json::from_str(event.data.as_deref().unwrap()).unwrap();
        assert_eq!(data["id"].as_str(), event.id.as_deref());
        data["message"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_new_stream_starts_with_new_messages() {
    let server = TestServer::start();
    server.accept("t", "before").await;
    let mut reader = Reader::open(&server, PATH, &[]).await;
    server.accept("other", "elsewhere").await;
    let id = server.accept("t", "now").await;
    let event = reader.block().await.unwrap();
    assert_eq!(event.id.as_deref(), Some(id.as_str()));
    assert_eq!(event.name.as_deref(), Some("message"));
    let data: Value = serde_json::from_str(event.data.as_deref().unwrap()).unwrap();
    let resource = server.get(&format!("/api/v1/topics/t/messages/{id}")).await;
    assert_eq!(data, resource.json());
}

#[tokio::test]
async fn a_reader_resumes_after_an_id_and_the_header_wins() {
    let server = TestServer::start();
    let a = server.accept("t", "a").await;
    let b = server.accept("t", "b").await;
    server.accept("t", "c").await;
    let after_a = format!("{PATH}?after={a}");
    let mut reader = Reader::open(&server, &after_a, &[]).await;
    assert_eq!(reader.message().await, "b");
    assert_eq!(reader.message().await, "c");
    server.accept("t", "d").await;
    assert_eq!(reader.message().await, "d");
    let header = [("Last-Event-ID", b.as_str())];
    let mut reader = Reader::open(&server, &after_a, &header).await;
    assert_eq!(reader.message().await, "c");
}

#[tokio::test]
async fn a_text_of_many_lines_is_one_line_of_data() {
    let server = TestServer::start();
    let mut reader = Reader::open(&server, PATH, &[]).await;
    let text = "a\n\ndata: b\nid: 1\n";
    let body = json!({ "message": text }).to_string();
    server.post("/api/v1/topics/t/messages", body).await;
    assert_eq!(reader.message().await, text.trim());
}

#[tokio::test]
async fn many_messages_come_in_order_without_loss_or_repeat() {
    let server = TestServer::start();
    let count = 450;
    let start = format!("{PATH}?after=00000000000000000000000000");
    for n in 0..count / 2 {
        server.accept("t", &n.to_string()).await;
    }
    let mut reader = Reader::open(&server, &start, &[]).await;
    for n in count / 2..count {
        server.accept("t", &n.to_string()).await;
    }
    for n in 0..count {
        assert_eq!(reader.message().await, n.to_string());
    }
}

#[tokio::test]
async fn a_gap_has_the_first_id_still_held() {
    let server = TestServer::start();
    let a = server.accept("t", "a").await;
    server.accept("t", "b").await;
    let c = server.accept("t", "c").await;
    server.prune_to(1).await;
    let mut reader = Reader::open(&server, &format!("{PATH}?after={a}"), &[]).await;
    let gap = reader.block().await.unwrap();
    assert_eq!(gap.name.as_deref(), Some("gap"));
    let data: Value = serde_json::from_str(gap.data.as_deref().unwrap()).unwrap();
    assert_eq!(data, json!({ "first_id": c }));
    assert_eq!(reader.message().await, "c");
}

#[tokio::test]
async fn a_damaged_message_is_an_event_and_a_marker_of_its_page() {
    let server = TestServer::start();
    let a = server.accept("t", "a").await;
    let b = server.accept("t", "b").await;
    server.accept("t", "c").await;
    server.store.damage(b.parse().unwrap());
    let mut reader = Reader::open(&server, &format!("{PATH}?after={a}"), &[]).await;
    let event = reader.block().await.unwrap();
    assert_eq!(event.name.as_deref(), Some("unreadable"));
    assert_eq!(event.id.as_deref(), Some(b.as_str()));
    let data: Value = serde_json::from_str(event.data.as_deref().unwrap()).unwrap();
    assert_eq!(data, json!({ "id": b }));
    assert_eq!(reader.message().await, "c");
    let page = server.get("/api/v1/topics/t/messages?limit=2").await.json();
    assert_eq!(page["unreadable"], json!([b]));
    let next = format!("/api/v1/topics/t/messages?after={b}&limit=2&order=asc");
    assert_eq!(page["next"], next);
}

#[tokio::test]
async fn a_malformed_start_id_is_rejected() {
    let server = TestServer::start();
    for value in [
        "x",
        "",
        "00000000000000000000000000,00000000000000000000000000",
    ] {
        let headers = [("Last-Event-ID", value)];
        let response = server.call("GET", PATH, &headers, "").await;
        let problem = response.assert_problem(400, "validation-failed");
        assert_eq!(problem["errors"][0]["field"], "Last-Event-ID");
    }
    assert_eq!(server.recorder.streams(), 0);
}

#[tokio::test]
async fn above_the_limit_a_stream_is_rejected_and_a_permit_is_released_at_once() {
    let server = TestServer::with(|settings| settings.max_streams = 2);
    let first = Reader::open(&server, PATH, &[]).await;
    let _second = Reader::open(&server, PATH, &[]).await;
    assert_eq!(server.recorder.streams(), 2);
    server.get(PATH).await.assert_problem(503, "overloaded");
    let head = server.call("HEAD", PATH, &[], "").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(server.recorder.streams(), 2);
    drop(first);
    eventually(Duration::from_mins(1), async || {
        server.recorder.streams() == 1
    })
    .await;
    Reader::open(&server, PATH, &[]).await;
}

#[tokio::test]
async fn a_reader_that_leaves_leaves_nothing_behind() {
    let server = TestServer::start();
    let before = server.store.subscribers();
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(Reader::open(&server, PATH, &[]).await);
    }
    // One for all that follow the topic.
    eventually(SOON, async || server.store.subscribers() == before + 1).await;
    drop(readers);
    eventually(Duration::from_mins(1), async || {
        server.recorder.streams() == 0 && server.store.subscribers() == before
    })
    .await;
}

#[tokio::test]
async fn a_client_that_closes_its_sending_half_counts_as_disconnected() {
    let server = TestServer::start();
    let mut reader = Reader::open(&server, PATH, &[]).await;
    reader.connection.finish_sending().await;
    assert_eq!(reader.block().await, None);
    eventually(SOON, async || server.recorder.streams() == 0).await;
}

#[tokio::test]
async fn open_streams_are_no_requests_in_flight() {
    let server = TestServer::with(|settings| settings.max_in_flight = 1);
    let mut reader = Reader::open(&server, PATH, &[]).await;
    eventually(SOON, async || server.recorder.in_flight() == 0).await;
    server.accept("t", "a").await;
    assert_eq!(reader.message().await, "a");
}

#[tokio::test]
async fn a_stream_outlives_the_request_timeout() {
    let server = TestServer::with(|settings| settings.request_timeout = Duration::from_millis(100));
    let mut reader = Reader::open(&server, PATH, &[]).await;
    // The time limit has passed by now.
    server.store_behaves(Behaviour::Hang);
    let response = server.get("/api/v1/topics").await;
    response.assert_problem(503, "overloaded");
    server.store_behaves(Behaviour::PassOn);
    server.accept("t", "a").await;
    assert_eq!(reader.message().await, "a");
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_loses_nothing() {
    let server = TestServer::start();
    let mut reader = Reader::open(&server, PATH, &[]).await;
    server.accept("t", "a").await;
    assert_eq!(reader.message().await, "a");
    server.accept("t", "b").await;
    assert_eq!(reader.message().await, "b");
    server.hooks.fail_pages(3);
    server.accept("t", "c").await;
    // The fake clock ends each wait as soon as the stream starts it.
    let clock = Arc::clone(&server.clock);
    let passing = tokio::spawn(async move {
        loop {
            clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(reader.message().await, "c");
    passing.abort();
    assert_eq!(server.hooks.failing_pages(), 0);
    assert_eq!(server.recorder.streams(), 1);
}

#[tokio::test]
async fn at_shutdown_each_stream_sends_bye_and_ends() {
    let server = TestServer::start();
    let mut readers = Vec::new();
    for _ in 0..10 {
        readers.push(Reader::open(&server, PATH, &[]).await);
    }
    server.lifecycle.advance(Phase::Stopping);
    server.stop_streams.send_replace(true);
    let ends = async {
        for reader in &mut readers {
            let bye = reader.block().await.unwrap();
            assert_eq!(bye.name.as_deref(), Some("bye"));
            assert_eq!(reader.block().await, None);
        }
    };
    tokio::time::timeout(Duration::from_secs(1), ends)
        .await
        .unwrap();
    eventually(SOON, async || server.recorder.streams() == 0).await;
    // A stream that is opened now ends at once, and its client comes back later.
    let late = server.call("GET", PATH, &[("Accept", "text/event-stream")], "");
    let late = late.await;
    assert_eq!(late.status, 200);
    assert!(late.text().contains("event: busy\n"), "{late:?}");
}

#[tokio::test]
async fn a_reader_that_does_not_read_slows_no_writer_and_holds_little() {
    let server = TestServer::start();
    let mut slow = Reader::open(&server, PATH, &[]).await;
    let text = "x".repeat(1000);
    let count = 6000;
    for _ in 0..count {
        server.store_directly("t", &text).await;
    }
    for _ in 0..count {
        assert_eq!(slow.message().await, text);
    }
}

#[tokio::test]
async fn a_stream_that_panics_is_closed_and_counted_out() {
    let server = TestServer::start();
    let before = server.store.subscribers();
    let mut reader = Reader::open(&server, PATH, &[]).await;
    server.store_behaves(Behaviour::Panic);
    server.store_directly("t", "a").await;
    // Cut off, not ended: there is no last chunk.
    let rest = reader.connection.closed().await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    eventually(SOON, async || {
        server.recorder.streams() == 0 && server.store.subscribers() == before
    })
    .await;
    server.store_behaves(Behaviour::PassOn);
    assert_eq!(server.get("/api/v1/ping").await.status, 200);
}

#[tokio::test]
async fn a_comment_every_15_seconds_keeps_an_idle_stream_open() {
    let server = TestServer::start();
    let mut reader = Reader::open(&server, PATH, &[]).await;
    for _ in 0..3 {
        server.clock.wait_for_sleepers(1).await;
        server.clock.advance(Duration::from_millis(14_999));
        assert_eq!(server.clock.sleepers(), 1);
        server.clock.advance(Duration::from_millis(1));
        assert_eq!(reader.connection.chunk().await.unwrap(), b":\n\n");
    }
    server.accept("t", "a").await;
    assert_eq!(reader.message().await, "a");
}

#[tokio::test]
async fn where_chunks_are_not_understood_a_stream_ends_with_its_connection() {
    let server = TestServer::start();
    server.accept("t", "a").await;
    for (version, headers) in [
        ("1.0", ""),
        ("1.0", "Connection: keep-alive\r\n"),
        ("1.1", "Host: a\r\nUpgrade: websocket\r\n"),
        (
            "1.1",
            "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        ),
    ] {
        for method in ["GET", "HEAD"] {
            let mut connection = server.connect().await;
            let path = format!("{PATH}?after=00000000000000000000000000");
            let request = format!("{method} {path} HTTP/{version}\r\n{headers}\r\n");
            connection.send(request).await;
            let head = connection.head().await;
            assert_eq!(head.status, 200);
            assert_eq!(
                head.header("transfer-encoding"),
                None,
                "{version} {headers}"
            );
            assert_ne!(head.header("connection"), Some("keep-alive"));
            assert_ne!(head.header("connection"), Some("upgrade"));
            if method == "GET" {
                eventually(SOON, async || server.recorder.streams() == 1).await;
                connection.finish_sending().await;
            }
            let rest = String::from_utf8(connection.closed().await).unwrap();
            assert_eq!(rest.starts_with("retry: "), method == "GET", "{rest}");
            eventually(SOON, async || server.recorder.streams() == 0).await;
        }
    }
}
