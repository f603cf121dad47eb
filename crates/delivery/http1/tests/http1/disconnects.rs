//! Clients that disconnect.

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::support::{Client, run};

const WATCHED: &str = "GET /watched HTTP/1.1\r\nHost: a\r\n\r\n";

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

/// Lets the handler respond: nothing of the response arrives, and its action is dropped.
async fn assert_given_up(mut client: Client) {
    client.recorder.release.notify_one();
    assert_eq!(client.rest().await, "");
    assert_eq!(client.recorder.written.get(), 0);
    assert_eq!(client.recorder.unwritten.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_is_written_once_its_last_byte_is() {
    run(async {
        let mut client = Client::connect(4096).await;
        for responses in 1..=2 {
            client.send(WATCHED).await;
            client.recorder.release.notify_one();
            assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
            client.body(2_000).await;
            assert_eq!(client.recorder.written.get(), responses - 1);
            // The frame of the chunk, and the last chunk.
            client
                .body(8_000 + "2710\r\n".len() + "\r\n0\r\n\r\n".len())
                .await;
            assert_eq!(client.recorder.written.get(), responses);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_to_a_client_that_is_gone_is_not_written() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send(WATCHED).await;
        client.stream.shutdown().await.unwrap();
        assert_given_up(client).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_noticed_before_a_read_tells() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send(WATCHED).await;
        client.is_gone.set(true);
        assert_given_up(client).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_of_which_the_client_reads_a_part_is_not_written() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send(WATCHED).await;
        client.recorder.release.notify_one();
        client.head().await;
        let recorder = client.recorder.clone();
        drop(client);
        while recorder.open.get() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(recorder.written.get(), 0);
        assert_eq!(recorder.unwritten.get(), 1);
    })
    .await;
}
