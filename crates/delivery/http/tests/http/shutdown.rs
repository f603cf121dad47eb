//! Draining and stopping.

use std::time::Duration;

use posthorn_application::{ConsumerError, Phase};
use posthorn_testkit::eventually;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Behaviour, TestServer};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_draining_server_asks_clients_to_go_elsewhere() {
    let server = TestServer::start();
    let mut connection = server.connect().await;
    connection.request("GET", "/api/v1/ping", &[], b"").await;
    assert_eq!(connection.response("GET").await.header("connection"), None);
    server.lifecycle.advance(Phase::Draining);
    connection.request("GET", "/api/v1/ping", &[], b"").await;
    let response = connection.response("GET").await;
    assert_eq!(
        (response.status, response.header("connection")),
        (200, Some("close"))
    );
    assert!(connection.closed().await.is_empty());
    for path in ["/nowhere", "/health/ready", "/api/v1/topics/t/stream"] {
        let mut connection = server.connect().await;
        connection.request("GET", path, &[], b"").await;
        assert_eq!(
            connection.head().await.header("connection"),
            Some("close"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn stopping_finishes_requests_in_flight_and_waits_for_no_idle_connection() {
    let server = TestServer::start();
    let mut idle = server.connect().await;
    idle.request("GET", "/api/v1/ping", &[], b"").await;
    idle.response("GET").await;
    server.store_behaves(Behaviour::Hang);
    let mut busy = server.connect().await;
    let json = [("Content-Type", "application/json")];
    busy.request("POST", "/api/v1/message", &json, br#"{"message": "a"}"#)
        .await;
    eventually(SOON, async || server.store_operations() == 1).await;
    let address = server.address;
    let (running, parts) = server.into_parts();
    let stopping = tokio::spawn(running.stop());
    assert!(idle.closed().await.is_empty());
    eventually(SOON, async || TcpStream::connect(address).await.is_err()).await;
    assert!(!stopping.is_finished());
    parts.store_behaves(Behaviour::PassOn);
    assert_eq!(busy.response("POST").await.status, 201);
    assert!(busy.closed().await.is_empty());
    timeout(Duration::from_secs(3), stopping)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn requests_that_do_not_finish_in_time_are_cut_off() {
    let server = TestServer::with(|settings| settings.shutdown_timeout = Duration::from_secs(1));
    server.store_behaves(Behaviour::Hang);
    let mut busy = server.connect().await;
    busy.request("GET", "/api/v1/topics", &[], b"").await;
    eventually(SOON, async || server.store_operations() == 1).await;
    let (running, _parts) = server.into_parts();
    timeout(Duration::from_secs(4), running.stop())
        .await
        .unwrap();
    assert!(busy.closed().await.is_empty());
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = TestServer::start();
    let taken = server.address;
    let text = TestServer::bind_error(|settings| settings.addresses = vec![taken]);
    assert!(text.contains(&taken.to_string()), "{text}");
    let text = TestServer::bind_error(|settings| settings.addresses.push(taken));
    assert!(text.contains(&taken.to_string()), "{text}");
    let text = TestServer::bind_error(|settings| settings.metrics_addresses = vec![taken]);
    assert!(text.contains(&taken.to_string()), "{text}");
    TestServer::bind_error(|settings| settings.addresses.clear());
}

#[tokio::test]
async fn neither_streams_nor_silent_connections_hold_up_the_stop() {
    let server = TestServer::with(|settings| settings.shutdown_timeout = Duration::from_secs(20));
    let mut silent = server.connect().await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = server.connect().await;
        stream
            .request("GET", "/api/v1/topics/t/stream", &[], b"")
            .await;
        assert_eq!(stream.head().await.status, 200);
        streams.push(stream);
    }
    let (running, parts) = server.into_parts();
    parts.stop_streams.send_replace(true);
    timeout(Duration::from_secs(5), running.stop())
        .await
        .unwrap();
    for stream in &mut streams {
        let rest = String::from_utf8(stream.closed().await).unwrap();
        assert!(rest.contains("event: bye"), "{rest}");
        assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    }
    assert!(silent.closed().await.is_empty());
}

/// Its leases would come back only when they end, and its client would have lost an attempt.
#[tokio::test]
async fn a_pull_that_the_store_executes_is_not_dropped_at_the_stop() {
    let server = TestServer::start();
    server.consumers.stall();
    server.consumers.fail_next(ConsumerError::NotFound);
    let mut worker = server.connect().await;
    let path = "/api/v1/topics/t/consumers/idle/pull";
    let json = [("Content-Type", "application/json")];
    let body = br#"{"wait_seconds": 20}"#;
    worker.request("POST", path, &json, body).await;
    eventually(SOON, async || server.consumers.pulls() == 1).await;
    let (running, parts) = server.into_parts();
    parts.stop_streams.send_replace(true);
    let stopping = tokio::spawn(running.stop());
    let early = timeout(Duration::from_millis(200), worker.response("POST")).await;
    assert!(early.is_err(), "{early:?}");
    parts.consumers.resume();
    let response = worker.response("POST").await;
    response.assert_problem(404, "not-found");
    stopping.await.unwrap();
}

#[tokio::test]
async fn probes_and_metrics_on_their_own_listener_work_until_the_last_request_is_done() {
    let free_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TestServer::with(|settings| settings.metrics_addresses = vec![free_port]);
    server.store_behaves(Behaviour::Hang);
    let mut busy = server.connect().await;
    busy.request("GET", "/api/v1/topics", &[], b"").await;
    eventually(SOON, async || server.store_operations() == 1).await;
    let (address, metrics_address) = (server.address, server.metrics_address.unwrap());
    let (running, parts) = server.into_parts();
    let stopping = tokio::spawn(running.stop());
    eventually(SOON, async || TcpStream::connect(address).await.is_err()).await;
    let mut probe = crate::support::Connection::open(metrics_address).await;
    probe.request("GET", "/health/live", &[], b"").await;
    assert_eq!(probe.response("GET").await.status, 200);
    parts.store_behaves(Behaviour::PassOn);
    assert_eq!(busy.response("GET").await.status, 200);
    timeout(Duration::from_secs(5), stopping)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(metrics_address).await.is_err());
}
