//! Readers of streams: cut off again and again, on one process and across two.

use std::time::{Duration, Instant};

use posthorn_testkit::RedisServer;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::Server;

/// Reads frames off one open stream.
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
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.buffer = rest;
                assert!(!frame.contains("event: gap"), "{frame}");
                if frame.contains("event: message") {
                    let field = |name: &str| {
                        let line = frame.lines().find_map(|line| line.strip_prefix(name));
                        line.unwrap_or_else(|| panic!("no {name} in {frame}"))
                            .to_owned()
                    };
                    let data: Value = serde_json::from_str(&field("data: ")).unwrap();
                    return (field("id: "), data["message"].as_str().unwrap().to_owned());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_cut_off_100_times_during_10000_writes_has_exactly_the_stored_sequence() {
    const TOTAL: usize = 10_000;
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let mut texts = Vec::with_capacity(TOTAL);
    let reading = async {
        let mut last_id: Option<String> = Some("00000000000000000000000000".to_owned());
        let mut cuts = 0;
        while texts.len() < TOTAL {
            let mut reader = Reader::open(&server, last_id.as_deref()).await;
            // Uneven lengths, so that cuts fall inside replays and inside the live part.
            let until = if cuts < 100 {
                texts.len() + 37 + (cuts * 53) % 120
            } else {
                TOTAL
            };
            while texts.len() < until.min(TOTAL) {
                let (id, text) = reader.message().await;
                last_id = Some(id);
                texts.push(text);
            }
            cuts += 1;
        }
        assert!(cuts >= 100, "{cuts} cuts");
    };
    tokio::join!(reading, write(&server, 10, TOTAL / 10));
    assert_eq!(texts, server.all_texts("inbox").await);
    // A reader that is gone is noticed at the next write, a heartbeat at the latest.
    posthorn_testkit::eventually(Duration::from_secs(40), async || {
        server.metric("app_streams_open").await == Some(0.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_one_process_reaches_a_reader_on_another_in_time() {
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
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100];
    println!("accepted on one process, read on another: p99 {p99:?}");
    assert!(p99 < Duration::from_millis(100), "p99 {p99:?}");
}
