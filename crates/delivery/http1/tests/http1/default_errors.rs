//! Heads that never reach the application.

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
