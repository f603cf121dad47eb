//! Connections of clients that pull and go away, end their half, or find no place to wait.

use posthorn_testkit::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::consumers::{CONSUMER, start, texts};
use crate::support::{PATIENCE, Server};

/// Sends waiting pulls, all in one write, and returns the connection once they wait.
async fn waiting_pulls(server: &Server, count: usize) -> TcpStream {
    let pulls = pull_request(r#"{"wait_seconds": 20}"#).repeat(count);
    let mut connection = connect(server).await;
    connection.write_all(pulls.as_bytes()).await.unwrap();
    eventually(PATIENCE, async || {
        server.state().await["last_pull_at"] != Value::Null
    })
    .await;
    connection
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.url.trim_start_matches("http://");
    TcpStream::connect(address).await.unwrap()
}

fn pull_request(body: &str) -> String {
    let length = body.len();
    format!(
        "POST {CONSUMER}/pull HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_no_lease() {
    // A pull that waits behind another one on its connection takes none either.
    for pulls in [1, 2] {
        let (_directory, server) = start("memory:").await;
        server
            .call(Method::PUT, CONSUMER, json!({"lease_seconds": 600}))
            .await;
        drop(waiting_pulls(&server, pulls).await);
        server.send(&["one"]).await;
        // Whatever the order in which the server sees the two, the message waits for another worker.
        eventually(PATIENCE, async || {
            let pulled = server.consumer("pull", json!({"lease_seconds": 1})).await;
            texts(&pulled) == ["one"]
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_ends_its_half_gets_no_lease_that_is_void() {
    let (_directory, server) = start("file:posthorn.db").await;
    server.call(Method::PUT, CONSUMER, json!({})).await;
    server.send(&["one"]).await;
    for body in ["{}", r#"{"wait_seconds": 20}"#] {
        let mut connection = connect(&server).await;
        let request = pull_request(body);
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        // The lease of a client that may be gone goes back, unless it was answered before the end was seen.
        let lease = response.split(r#""lease":""#).nth(1);
        if let Some(lease) = lease.and_then(|rest| rest.split('"').next()) {
            let nacked = server.consumer("nack", json!({"leases": [lease], "delay_seconds": 0}));
            assert_eq!(nacked.await["settled"], 1, "{response}");
        } else {
            assert!(
                response.is_empty() || response.ends_with(r#"{"messages":[]}"#),
                "{response}"
            );
        }
    }
    eventually(PATIENCE, async || {
        let pulled = server.consumer("pull", json!({"lease_seconds": 1})).await;
        texts(&pulled) == ["one"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_to_wait_a_pull_gets_what_is_due() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("RATE_LIMIT_ENABLED", "false"),
        ("MAX_STREAMS", "1"),
    ];
    let server = Server::start(&directory, &environment).await;
    server.call(Method::PUT, CONSUMER, json!({})).await;
    let _waiting = waiting_pulls(&server, 1).await;
    let elsewhere = CONSUMER.replace("jobs", "other");
    server.call(Method::PUT, &elsewhere, json!({})).await;
    let pull = format!("{elsewhere}/pull");
    let body = json!({"wait_seconds": 20});
    let refused = server.call(Method::POST, &pull, body.clone()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let topic = "/api/v1/topics/other/messages";
    let sent = server.call(Method::POST, topic, json!({"message": "one"}));
    assert_eq!(sent.await.status(), StatusCode::CREATED);
    let pulled = server.call(Method::POST, &pull, body).await;
    assert_eq!(pulled.status(), StatusCode::OK);
    assert_eq!(texts(&pulled.json().await.unwrap()), ["one"]);
}
