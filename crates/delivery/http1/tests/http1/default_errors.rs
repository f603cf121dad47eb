//! Heads that never reach the application.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::{Client, run};

#[track_caller]
fn check(response: &str, status: u16) {
    assert!(
        response.starts_with(&format!("HTTP/1.1 {status} ")),
        "{response}"
    );
    assert!(
        response.contains("\r\nx-line: yes\r\nx-complete: yes\r\n"),
        "{response}"
    );
    assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nan error"), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_head_gets_the_response_of_the_application() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send("NOT HTTP\r\n\r\n").await;
        check(&client.rest().await, 400);
        assert_eq!(*client.recorder.errors.borrow(), [400]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_head_of_the_method_head_gets_no_body() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send("HEAD / HTTP/1.1\r\nX Y: a\r\n\r\n").await;
        let response = client.rest().await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(response.contains("\r\ncontent-length: 8\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_still_sends_gets_the_response_to_a_malformed_head() {
    run(async {
        let mut client = Client::connect(1024).await;
        let lengths = "Content-Length: 100000\r\n".repeat(2);
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{lengths}\r\n"))
            .await;
        // It reads nothing before all is sent.
        client.send("x".repeat(100_000)).await;
        check(&client.rest().await, 400);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_for_ever_is_cut_off_after_its_response() {
    run(async {
        let mut client = Client::connect(1024).await;
        client.send("NOT HTTP\r\n\r\n").await;
        while client.stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        check(&client.rest().await, 400);
        client.given_up().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_large_head_gets_the_response_of_the_application() {
    run(async {
        let mut client = Client::connect(1_000_000).await;
        let fields = "X: 1\r\n".repeat(200);
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
            .await;
        check(&client.rest().await, 431);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_response_before_a_malformed_head_is_whole() {
    run(async {
        let mut client = Client::connect(4096).await;
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\n\r\nNOT HTTP\r\n\r\n")
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        assert_eq!(client.body(5).await, "hello");
        check(&client.rest().await, 400);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_head_gets_the_response_of_the_application_when_it_is_late() {
    run(async {
        let mut client = Client::connect(4096).await;
        client.send("GET / HTTP/1.1\r\nHo").await;
        check(&client.rest().await, 408);
    })
    .await;
}
