//! Bytes that come before the request ahead of them has its response.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::{Client, run};

/// The bytes that are on their way to the server.
const BUFFER: usize = 300_000;

#[tokio::test(start_paused = true)]
async fn a_pipelined_request_does_not_change_the_response_before_it() {
    run(async {
        for next in [
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ] {
            let mut client = Client::connect(4096).await;
            client
                .send(format!("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n{next}"))
                .await;
            // Both have come before the first responds.
            tokio::time::sleep(Duration::from_millis(1)).await;
            client.recorder.release.notify_one();
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 200 OK"), "{next}: {head}");
            assert!(!head.contains("connection: close"), "{next}: {head}");
            assert_eq!(client.body(5).await, "hello", "{next}");
            assert!(client.head().await.contains(" 200 OK"), "{next}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_behind_a_large_response_is_read_once_that_is_written() {
    run(async {
        let mut client = Client::connect(4096).await;
        let start = Instant::now();
        let large = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
        client
            .send(format!("{large}GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        client.head().await;
        client.body(1_000_000).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        assert!(start.elapsed().is_zero());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn little_is_read_ahead() {
    run(async {
        for (head, following) in [
            (
                "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
                "x".to_owned(),
            ),
            (
                "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            ),
        ] {
            let mut client = Client::connect(BUFFER).await;
            let sent = format!("{head}{}", following.repeat(1_000_000 / following.len()));
            let mut count = 0;
            let write = async {
                while let Ok(written) = client.stream.write(&sent.as_bytes()[count..]).await {
                    count += written;
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), write).await;
            // The rest is still in the buffer.
            let read = count - BUFFER;
            assert!((500..6000).contains(&read), "{head}: {read}");
        }
    })
    .await;
}
