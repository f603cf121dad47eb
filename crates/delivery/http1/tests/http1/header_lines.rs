//! Header lines of the application.

use crate::support::{Client, run};

#[tokio::test(start_paused = true)]
async fn header_lines_follow_the_status_line() {
    // However few bytes of a response are written at once.
    for buffer in [1, 20, 4096] {
        run(async {
            let mut client = Client::connect(buffer).await;
            for _ in 0..2 {
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let head = client.head().await;
                let start = "HTTP/1.1 200 OK\r\nx-line: yes\r\n";
                assert!(head.starts_with(start), "{head}");
                assert_eq!(head.matches("x-line").count(), 1, "{head}");
                assert!(head.contains("\r\nx-request-id: 1\r\n"), "{head}");
                assert_eq!(client.body(5).await, "hello");
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_interim_response_has_no_header_lines() {
    run(async {
        let mut client = Client::connect(4096).await;
        let head = "POST /read-late HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\
            Expect: 100-continue\r\n\r\n";
        client.send(head).await;
        assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.recorder.release.notify_one();
        client.send("ab").await;
        let head = client.head().await;
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\nx-line: yes\r\n"),
            "{head}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_that_comes_at_once_has_no_interim_response_before_it() {
    run(async {
        let mut client = Client::connect(4096).await;
        let head =
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        client.send(head).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(client.body(5).await, "hello");
    })
    .await;
}
