//! Readers of streams that are disconnected repeatedly, on one process and across two.

use std::time::{Duration, Instant};

use posthorn_testkit::RedisServer;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::Server;

/// Reads the frames of one open stream.
struct Reader {
    response: reqwest::Response,
    buffer: String,
}

impl Reader {
    async fn open(server: &Server, last_id: Option<&str>) -> Self {
        let url = format!("{}/api/v1/topics/inbox/stream", server.url);
        let mut request = server.client.get(url);
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// The next message as id and text.
    async fn message(&mut self) -> (String, String) {
        loop {
            while let Some((frame, rest)) = self.buffer.split_once("\n\n") {
                let (message, rest) = (message_of(frame), rest.to_owned());
                self.buffer = rest;
                if let Some(message) = message {
                    return message;
                }
            }
            let chunk = self
                .response
                .chunk()
                .await
                .unwrap()
                .expect("the stream goes on");
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// The id and the text of the message in a frame, if the frame has a message.
fn message_of(frame: &str) -> Option<(String, String)> {
    assert!(!frame.contains("event: gap"), "{frame}");
    let field = |name: &str| {
        let line = frame.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {frame}"))
            .to_owned()
    };
    frame.contains("event: message").then(|| {
        let data: Value = serde_json::from_str(&field("data: ")).unwrap();
        (field("id: "), data["message"].as_str().unwrap().to_owned())
    })
}

/// Reads a stream of `total` messages and disconnects 100 times, after any byte of a frame. Only
/// whole frames count.
async fn read_cut_off(server: &Server, total: usize) -> Vec<String> {
    let mut texts = Vec::with_capacity(total);
    let mut last_id = "00000000000000000000000000".to_owned();
    let mut cuts: usize = 0;
    while texts.len() < total {
        let mut response = Reader::open(server, Some(&last_id)).await.response;
        // Uneven lengths, so that some disconnects hit the replay and others the live part.
        let mut left = if cuts < 100 {
            total * 6 / 10 + (cuts * 7_919) % (total * 2)
        } else {
            usize::MAX
        };
        let mut buffer = String::new();
        while left > 0 && texts.len() < total {
            let chunk = response.chunk().await.unwrap().expect("the stream goes on");
            let taken = &chunk[..chunk.len().min(left)];
            left -= taken.len();
            buffer.push_str(std::str::from_utf8(taken).unwrap());
            while let Some((frame, rest)) = buffer.split_once("\n\n") {
                if let Some((id, text)) = message_of(frame) {
                    last_id = id;
                    texts.push(text);
                }
                buffer = rest.to_owned();
            }
        }
        cuts += 1;
    }
    assert!(cuts >= 100, "{cuts} cuts");
    texts
}

async fn write(server: &Server, writers: usize, each: usize) {
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (client, url) = (
            server.client.clone(),
            format!("{}/api/v1/message", server.url),
        );
        tasks.spawn(async move {
            for number in 0..each {
                let body = json!({ "message": format!("{writer}-{number}") });
                let response = client.post(&url).json(&body).send().await.unwrap();
                assert_eq!(response.status(), StatusCode::CREATED);
            }
        });
    }
    while let Some(written) = tasks.join_next().await {
        written.unwrap();
    }
}

async fn check_reader_cut_off(total: usize, environment: &[(&str, &str)]) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, environment).await;
    let writing = write(&server, 10, total / 10);
    let (texts, ()) = tokio::join!(read_cut_off(&server, total), writing);
    assert_eq!(texts, server.all_texts("inbox").await);
    // The server notices a closed connection at the next write, at the latest with a heartbeat.
    posthorn_testkit::eventually(Duration::from_secs(40), async || {
        server.metric("app_streams_open").await == Some(0.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_cut_off_100_times_during_10000_writes_has_exactly_the_stored_sequence() {
    check_reader_cut_off(10_000, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_cut_off_100_times_during_writes_to_redis_has_exactly_the_stored_sequence() {
    let redis = RedisServer::start().await;
    check_reader_cut_off(3_000, &[("STORE_URL", &redis.url())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_accepted_by_one_process_reaches_a_reader_of_another_in_time() {
    let redis = RedisServer::start().await;
    let directory = TempDir::new().unwrap();
    let url = redis.url();
    let one = Server::start(&directory, &[("STORE_URL", url.as_str())]).await;
    let two = Server::start(&directory, &[("STORE_URL", url.as_str())]).await;
    let mut reader = Reader::open(&two, Some("00000000000000000000000000")).await;
    let mut latencies = Vec::new();
    for number in 0..300 {
        #[expect(clippy::disallowed_methods, reason = "the latency is what is measured")]
        let accepted = Instant::now();
        let text = number.to_string();
        assert_eq!(one.post(&text).await.status(), StatusCode::CREATED);
        assert_eq!(reader.message().await.1, text);
        latencies.push(accepted.elapsed());
    }
    // The median: on a machine that other tests load, some messages wait for a processor.
    latencies.sort();
    let median = latencies[latencies.len() / 2];
    assert!(median < Duration::from_millis(100), "median {median:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_since_a_time_is_resumed_without_a_gap() {
    for store in ["memory:", "file:data/posthorn.db"] {
        let directory = TempDir::new().unwrap();
        let server = Server::start(&directory, &[("STORE_URL", store)]).await;
        let id = async |text: &str| {
            let receipt: Value = server.post(text).await.json().await.unwrap();
            receipt["id"].as_str().unwrap().to_owned()
        };
        // The position that such a stream has before its first message.
        let time_of = |id: &str| id.split_at(10).0.to_owned();
        let time = time_of(&id("before").await);
        let mut reader = Reader::open(&server, Some(&format!("{time}000FZZZZZZZZZZZZ"))).await;
        let mut after = id("after").await;
        while time_of(&after) == time {
            after = id("after").await;
        }
        assert_eq!(reader.message().await.0, after, "{store}");
    }
}
