//! Clients that do not read their responses.

use std::time::Duration;

use posthorn_http::Shed;
use posthorn_testkit::eventually;

use crate::support::{Connection, TestServer};

/// Long enough for a busy machine: it first has to fill the buffers of the sockets.
const SOON: Duration = Duration::from_mins(2);

/// A server that waits a few seconds for a client to read: long enough for its first head to come
/// on a busy machine.
fn impatient_server() -> TestServer {
    TestServer::with(|settings| {
        settings.header_timeout = Duration::from_secs(5);
        settings.keep_alive = Duration::from_millis(500);
    })
}

#[tokio::test]
async fn a_client_that_does_not_read_its_responses_is_cut_off() {
    let server = impatient_server();
    for _ in 0..200 {
        server.store_directly("t", &"x".repeat(1000)).await;
    }
    let mut connection = server.connect_unread().await;
    let request = "GET /api/v1/topics/t/messages?limit=200 HTTP/1.1\r\nHost: a\r\n\r\n";
    // More than the socket buffers of both sides hold.
    connection.send(request.repeat(100)).await;
    eventually(SOON, async || server.recorder.connections() == 1).await;
    eventually(SOON, async || server.recorder.connections() == 0).await;
    assert_eq!(server.recorder.shed(), [Shed::SlowReader]);
}

/// Sends requests without reading, until the server closes the connection.
async fn send_for_ever(connection: &mut Connection, request: &str) {
    let requests = request.repeat(1000);
    while connection.try_send(&requests).await {}
}

#[tokio::test]
async fn a_client_that_pipelines_without_reading_is_cut_off() {
    let server = impatient_server();
    let mut connection = server.connect_unread().await;
    let live = "GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let ended = tokio::time::timeout(SOON, send_for_ever(&mut connection, live));
    ended.await.expect("it is cut off");
    eventually(SOON, async || server.recorder.connections() == 0).await;
    assert_eq!(server.recorder.shed(), [Shed::SlowReader]);
}

#[tokio::test]
async fn a_client_that_ends_its_half_and_does_not_read_is_cut_off() {
    let server = impatient_server();
    for _ in 0..200 {
        server.store_directly("t", &"x".repeat(1000)).await;
    }
    let mut connection = server.connect_unread().await;
    let request = "GET /api/v1/topics/t/messages?limit=200 HTTP/1.1\r\nHost: a\r\n\r\n";
    // Few enough for the server to read all of them, so that it sees the end.
    connection.send(request.repeat(60)).await;
    eventually(SOON, async || server.recorder.connections() == 1).await;
    connection.finish_sending().await;
    eventually(SOON, async || server.recorder.connections() == 0).await;
    assert_eq!(server.recorder.shed(), [Shed::SlowReader]);
}

#[tokio::test]
async fn a_stream_whose_client_does_not_read_is_cut_off_later() {
    let server = impatient_server();
    let mut connection = server.connect_unread().await;
    let path = "/api/v1/topics/t/stream?after=00000000000000000000000000";
    connection.request("GET", path, &[], b"").await;
    assert_eq!(connection.head().await.status, 200);
    // More than the socket buffers of both sides hold.
    for _ in 0..4000 {
        server.store_directly("t", &"\u{1f4ef}".repeat(1000)).await;
    }
    eventually(SOON, async || server.recorder.connections() == 0).await;
    assert_eq!(server.recorder.streams(), 0);
    assert_eq!(server.recorder.shed(), [Shed::SlowReader]);
}

#[tokio::test]
async fn responses_that_nobody_reads_are_bounded_in_bytes() {
    let server = TestServer::with(|settings| settings.max_response_bytes = 1024 * 1024);
    for _ in 0..200 {
        server.store_directly("t", &"x".repeat(1000)).await;
    }
    let path = "/api/v1/topics/t/messages?limit=200";
    let mut unread = Vec::new();
    for _ in 0..8 {
        let mut connection = server.connect_unread().await;
        connection.request("GET", path, &[], b"").await;
        unread.push(connection);
    }
    eventually(SOON, async || {
        server.recorder.shed().contains(&Shed::ResponseBytes)
    })
    .await;
    let refused = server.get(path).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["code"], "overloaded");
    assert!(refused.header("retry-after").is_some());
    // Small responses and files of the binary do not count.
    assert_eq!(server.get("/api/v1/ping").await.status, 200);
    assert_eq!(server.get("/api-docs/openapi.json").await.status, 200);
    drop(unread);
    eventually(SOON, async || server.get(path).await.status == 200).await;
}
