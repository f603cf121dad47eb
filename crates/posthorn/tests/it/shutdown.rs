//! Each stop signal, under load, with streams open, and a second time.

use std::time::Duration;

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, posthorn_with_signals};

const CONNECTIONS: usize = 32;

/// A keep-alive connection that sends requests until the server closes it.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The result of one request.
#[derive(Debug, PartialEq, Eq)]
enum Exchange {
    Answered,
    AnsweredAndClosing,
    ClosedBeforeTheRequest,
    CutOff,
}

impl Connection {
    async fn open(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://"))
            .await
            .unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    async fn exchange(&mut self) -> Exchange {
        let body = r#"{"message":"until the end"}"#;
        let request = format!(
            "POST /api/v1/message HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // A connection that was closed before the request was written is not a failed request.
        if let Ok(0) = self.stream.try_read(&mut [0; 1]) {
            return Exchange::ClosedBeforeTheRequest;
        }
        if self.stream.write_all(request.as_bytes()).await.is_err() {
            return Exchange::CutOff;
        }
        self.buffer.clear();
        loop {
            let mut chunk = [0; 4096];
            match timeout(PATIENCE, self.stream.read(&mut chunk)).await {
                Ok(Ok(n)) if n > 0 => self.buffer.extend_from_slice(&chunk[..n]),
                _ => return Exchange::CutOff,
            }
            let text = String::from_utf8_lossy(&self.buffer).to_lowercase();
            let Some((head, rest)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .split("content-length: ")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap();
            if rest.len() >= length.parse::<usize>().unwrap() {
                assert!(head.starts_with("http/1.1 201"), "{head}");
                let closing = head.contains("connection: close");
                return if closing {
                    Exchange::AnsweredAndClosing
                } else {
                    Exchange::Answered
                };
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_fails_no_request_on_an_open_connection() {
    let directory = TempDir::new().unwrap();
    let environment = [("DRAIN_DELAY", "500ms"), ("STORE_URL", "memory:")];
    let mut server = Server::start(&directory, &environment).await;
    let mut tasks = JoinSet::new();
    let (in_use, mut used) = mpsc::channel(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(&server.url).await;
        let in_use = in_use.clone();
        tasks.spawn(async move {
            let mut answered = 0;
            loop {
                match connection.exchange().await {
                    Exchange::Answered => answered += 1,
                    end => return (answered, end),
                }
                if answered == 1 {
                    in_use.send(()).await.unwrap();
                }
            }
        });
    }
    for _ in 0..CONNECTIONS {
        timeout(PATIENCE, used.recv()).await.expect("it is served");
    }
    server.signal("TERM").await;
    while let Some(ended) = tasks.join_next().await {
        let (answered, end) = ended.unwrap();
        assert_eq!(
            end,
            Exchange::AnsweredAndClosing,
            "after {answered} answers"
        );
        assert!(answered > 0);
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_is_not_ready_and_still_serves() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &[("DRAIN_DELAY", "6s")]).await;
    assert_eq!(server.get("/health/ready").await.status(), StatusCode::OK);
    server.signal("TERM").await;
    posthorn_testkit::eventually(Duration::from_secs(4), async || {
        server.get("/health/ready").await.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(
        server.post("still serving").await.status(),
        StatusCode::CREATED
    );
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(
        (server.logged("draining"), server.logged("\"stopped")),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_gets_a_bye_event_and_does_not_delay_the_stop() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(&directory, &[]).await;
    let stream = server.get("/api/v1/topics/inbox/stream").await;
    assert_eq!(stream.status(), StatusCode::OK);
    server.signal("INT").await;
    let text = timeout(Duration::from_secs(12), stream.text())
        .await
        .unwrap()
        .unwrap();
    assert!(text.contains("event: bye"), "{text}");
    let ended = timeout(Duration::from_secs(12), server.ended()).await;
    assert_eq!(ended.expect("it stops at once").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_server_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)] {
        let directory = TempDir::new().unwrap();
        let mut server = Server::start(&directory, &[("DRAIN_DELAY", "1h")]).await;
        server.signal("TERM").await;
        posthorn_testkit::eventually(PATIENCE, async || server.logged("draining") == 1).await;
        server.signal(signal).await;
        assert_eq!(server.ended().await.code(), Some(code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stop_signal_drains() {
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let directory = TempDir::new().unwrap();
        let mut server = Server::start(&directory, &[]).await;
        server.signal(signal).await;
        assert_eq!(server.ended().await.code(), Some(0), "{signal}");
        assert_eq!(server.logged("draining"), 1, "{signal}");
    }
}

/// A shell without job control starts what is in the background so.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_that_the_parent_ignores_stops_the_server() {
    let directory = TempDir::new().unwrap();
    let command = posthorn_with_signals(directory.path(), "--ignore-signal=INT,QUIT");
    let mut server = Server::start_by(command, &[]).await;
    server.signal("INT").await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(server.logged("draining"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_that_the_parent_ignores_stays_ignored() {
    let directory = TempDir::new().unwrap();
    let command = posthorn_with_signals(directory.path(), "--ignore-signal=HUP");
    let mut server = Server::start_by(command, &[]).await;
    server.signal("HUP").await;
    assert_eq!(
        server.post("still serving").await.status(),
        StatusCode::CREATED
    );
    server.signal("TERM").await;
    assert_eq!(server.ended().await.code(), Some(0));
    // Had the server listened for it, the second signal would have ended it at once.
    assert_eq!(server.logged("draining"), 1);
}
