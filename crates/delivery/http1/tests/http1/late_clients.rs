//! Clients that keep the server waiting.

use std::time::Duration;

use posthorn_http1::ConnectionSlots;
use tokio::time::Instant;

use crate::support::{Client, HEADER_TIMEOUT, KEEP_ALIVE, run};

#[tokio::test(start_paused = true)]
async fn half_a_head_on_a_used_connection_has_the_time_of_a_head() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await;
        client.body(5).await;
        let start = Instant::now();
        client.send("GET / HTTP/1.1\r\nHo").await;
        let response = client.rest().await;
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.ends_with("an error"), "{response}");
        assert!(start.elapsed().abs_diff(HEADER_TIMEOUT).as_secs() < 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_after_the_keep_alive_time() {
    run(async {
        let mut client = Client::connect(4096).await;
        for pause in [Duration::ZERO, HEADER_TIMEOUT * 2] {
            tokio::time::sleep(pause).await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            client.head().await;
            client.body(5).await;
        }
        let start = Instant::now();
        assert_eq!(client.rest().await, "");
        assert!(start.elapsed().abs_diff(KEEP_ALIVE).as_secs() < 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_however_long_the_connection_was_idle() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await;
        client.body(5).await;
        let almost = KEEP_ALIVE.saturating_sub(Duration::from_secs(1));
        tokio::time::sleep(almost).await;
        client.send("GET / HTTP/1.1\r\nHo").await;
        tokio::time::sleep(HEADER_TIMEOUT / 2).await;
        client.send("st: a\r\n\r\n").await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrived_whole_leaves_the_connection_idle_although_nobody_read_it() {
    run(async {
        for body in [
            "Content-Length: 2\r\n\r\n{}",
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            let mut client = Client::connect(4096).await;
            client
                .send(format!("GET /slow HTTP/1.1\r\nHost: a\r\n{body}"))
                .await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.recorder.release.notify_one();
            client.head().await;
            client.body(5).await;
            let start = Instant::now();
            assert_eq!(client.rest().await, "");
            let time = start.elapsed();
            assert!(time.abs_diff(KEEP_ALIVE).as_secs() < 1, "{body}: {time:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_keeps_no_idle_connection_from_giving_way() {
    run(async {
        let slots = ConnectionSlots::new(2);
        let mut reader = Client::connect_to(4096, slots.clone()).await;
        reader.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        reader.head().await;
        let mut idle = Client::connect_to(4096, slots.clone()).await;
        idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        idle.head().await;
        idle.body(5).await;
        let start = Instant::now();
        let mut new = Client::connect_to(4096, slots).await;
        new.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        new.head().await;
        assert!(start.elapsed() < Duration::from_secs(1));
        assert_eq!(idle.rest().await, "");
    })
    .await;
}

/// A client that has its response and has sent a part of its chunked body, which nobody reads.
async fn answered_within_a_body() -> Client {
    let mut client = Client::connect(4096).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}5\r\nab")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
    client.body(5).await;
    client
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_chunked_body_that_nobody_reads_has_the_time_of_a_head() {
    run(async {
        let mut client = answered_within_a_body().await;
        let start = Instant::now();
        assert_eq!(client.rest().await, "");
        assert!(start.elapsed().abs_diff(HEADER_TIMEOUT).as_secs() < 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn once_the_rest_of_a_body_that_nobody_reads_has_arrived_the_connection_is_idle() {
    run(async {
        let mut client = answered_within_a_body().await;
        client.send("cde\r\n5\r\nabcde\r\n").await;
        client.send("0\r\n\r\n").await;
        tokio::time::sleep(HEADER_TIMEOUT * 2).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        client.body(5).await;
        let start = Instant::now();
        assert_eq!(client.rest().await, "");
        assert!(start.elapsed().abs_diff(KEEP_ALIVE).as_secs() < 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_off() {
    run(async {
        let mut client = Client::connect(4096).await;
        let start = Instant::now();
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.given_up().await;
        let limit = HEADER_TIMEOUT + KEEP_ALIVE;
        assert!(start.elapsed().abs_diff(limit).as_secs() < 1);
        assert_eq!(client.recorder.slow_readers.get(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_a_stream_is_cut_off() {
    run(async {
        let mut client = Client::connect(4096).await;
        let start = Instant::now();
        let request = "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(request).await;
        client.given_up().await;
        let limit = (HEADER_TIMEOUT + KEEP_ALIVE) * 4;
        let time = start.elapsed();
        assert!(time.abs_diff(limit).as_secs() < 1, "{time:?}");
        assert_eq!(client.recorder.slow_readers.get(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_late_head_is_not_a_request() {
    run(async {
        // Smaller than the response, so that the server still writes it when the rest comes.
        let mut client = Client::connect(16).await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await;
        client.body(5).await;
        client.send("GET / HTTP/1.1\r\nHo").await;
        tokio::time::sleep(HEADER_TIMEOUT * 2).await;
        client.send("st: a\r\n\r\n").await;
        let response = client.rest().await;
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.ends_with("an error"), "{response}");
        assert_eq!(client.recorder.requests.get(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_unread_bytes_are_too_many_is_cut_off() {
    run(async {
        let mut client = Client::connect(1024).await;
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.head().await;
        eventually_unread(&client).await;
        // What waits already may go on.
        client.recorder.most_unread.set(Some(0));
        client.body(1_000_000).await;
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.given_up().await;
        assert_eq!(client.recorder.unread.get(), 0);
        assert_eq!(client.recorder.slow_readers.get(), 0);
    })
    .await;
}

/// Waits until the server holds bytes that the client has not read.
async fn eventually_unread(client: &Client) {
    while client.recorder.unread.get() == 0 {
        tokio::task::yield_now().await;
    }
}
