//! Bodies and heads of several reads, and bodies that end badly.

use tokio::time::Instant;

use crate::support::{Client, run};

const CHUNKED: &str = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_body_is_read_once_it_is_demanded() {
    run(async {
        let mut client = Client::connect(1_000_000).await;
        let body = "x".repeat(200_000);
        let head = "POST /read-late HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n";
        for _ in 0..3 {
            let start = Instant::now();
            client.send(format!("{head}{body}")).await;
            tokio::task::yield_now().await;
            client.recorder.release.notify_one();
            assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
            assert_eq!(client.body(6).await, "200000");
            assert!(start.elapsed().is_zero());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_of_several_reads_is_read_at_once() {
    run(async {
        let mut client = Client::connect(1_000_000).await;
        let start = Instant::now();
        let long = "x".repeat(20_000);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"))
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        assert!(start.elapsed().is_zero());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_with_invalid_framing_gets_one_response() {
    run(async {
        let mut client = Client::connect(4096).await;
        client
            .send(format!("GET / HTTP/1.1\r\n{CHUNKED}ZZ\r\n"))
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        assert_eq!(client.body(5).await, "hello");
        assert_eq!(client.rest().await, "");
        assert!(client.recorder.errors.borrow().is_empty());
    })
    .await;
}
