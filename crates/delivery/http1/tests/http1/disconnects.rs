//! Clients that disconnect.

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::{Client, run};

#[tokio::test(start_paused = true)]
async fn a_pending_body_learns_of_the_disconnect() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        let start = Instant::now();
        client.stream.shutdown().await.unwrap();
        client.given_up().await;
        assert!(start.elapsed().is_zero());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_half_gets_the_responses_that_it_waits_for() {
    run(async {
        let mut client = Client::connect(4096).await;
        let slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(slow.repeat(2)).await;
        client.stream.shutdown().await.unwrap();
        for _ in 0..2 {
            client.recorder.release.notify_one();
            assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
            assert_eq!(client.body(5).await, "hello");
        }
        assert_eq!(client.rest().await, "");
    })
    .await;
}
