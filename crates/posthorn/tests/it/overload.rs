//! Overload as a client sees it: thousands of slow connections, too many connections, slow bytes.

use std::net::SocketAddr;
use std::time::Duration;

use posthorn_testkit::eventually;
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};

const SLOW: usize = 5_000;

pub(crate) async fn connect(server: &Server) -> TcpStream {
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    timeout(PATIENCE, TcpStream::connect(address))
        .await
        .expect("it is accepted")
        .unwrap()
}

/// True if the limits of this process allow so many open files for the test and the server.
fn may_open(files: usize) -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    soft.is_some_and(|soft| soft == "unlimited" || soft.parse::<usize>().is_ok_and(|n| n >= files))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_slow_heads_delay_no_other_client_and_time_out() {
    assert!(
        may_open(2 * SLOW),
        "raise the limit of open files: ulimit -n {}",
        2 * SLOW
    );
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("HEADER_TIMEOUT", "30s"),
        ("MAX_IN_FLIGHT", "8"),
        ("MAX_CONNECTIONS_PER_CLIENT", "0"),
    ];
    let server = Server::start(&directory, &environment).await;
    let mut slow = Vec::with_capacity(SLOW);
    for _ in 0..SLOW {
        let mut connection = connect(&server).await;
        connection
            .write_all(b"GET /api/v1/ping HTTP/1.1\r\nX: ")
            .await
            .unwrap();
        slow.push(connection);
    }
    let open = "app_connections_open";
    // The kernel completes a connection before the server accepts it.
    eventually(PATIENCE, async || {
        server.metric(open).await >= Some(5_000.0)
    })
    .await;
    let mut latencies = Vec::new();
    for number in 0..100 {
        // One more byte of some heads, as a slow client sends it.
        for connection in slow.iter_mut().skip(number).step_by(100) {
            connection.write_all(b"x").await.unwrap();
        }
        let begin = tokio::time::Instant::now();
        assert_eq!(server.post("normal").await.status(), StatusCode::CREATED);
        latencies.push(begin.elapsed());
    }
    // The median: on a machine that other tests load, some requests wait for a processor.
    latencies.sort_unstable();
    let median = latencies[latencies.len() / 2];
    assert!(median < Duration::from_millis(50), "median {median:?}");
    assert!(
        server.metric(open).await >= Some(5_000.0),
        "they were held to the end"
    );
    // They do not count as requests in flight, and each gets a 408.
    for connection in &mut slow {
        let mut answer = String::new();
        timeout(2 * PATIENCE, connection.read_to_string(&mut answer))
            .await
            .expect("it is cut off")
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    // The measuring client may keep an unused connection, which times out as well.
    let shed = "app_requests_shed_total{reason=\"header_timeout\"}";
    assert!(server.metric(shed).await >= Some(5_000.0));
    drop(slow);
    eventually(PATIENCE, async || server.metric(open).await < Some(10.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_slow_bodies_delay_no_other_client_and_time_out() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("REQUEST_TIMEOUT", "5s"),
        ("MAX_IN_FLIGHT", "8"),
    ];
    let server = Server::start(&directory, &environment).await;
    let head = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 1000\r\n\r\n{";
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut connection = connect(&server).await;
        connection.write_all(head.as_bytes()).await.unwrap();
        slow.push(connection);
    }
    let (open, in_flight) = ("app_connections_open", "app_requests_in_flight");
    // None of them is in flight before its body is there: only the scrape is.
    eventually(PATIENCE, async || {
        server.metric(open).await >= Some(200.0) && server.metric(in_flight).await == Some(1.0)
    })
    .await;
    for number in 0..50 {
        for connection in slow.iter_mut().skip(number).step_by(50) {
            connection.write_all(b" ").await.unwrap();
        }
        assert_eq!(server.post("normal").await.status(), StatusCode::CREATED);
    }
    assert!(
        server.metric(open).await >= Some(200.0),
        "they were held to the end"
    );
    for connection in &mut slow {
        let mut answer = String::new();
        timeout(PATIENCE, connection.read_to_string(&mut answer))
            .await
            .expect("it is cut off")
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    let shed = "app_requests_shed_total{reason=\"request_timeout\"}";
    assert_eq!(server.metric(shed).await, Some(200.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_pipeline_and_never_read_cost_little_and_time_out() {
    const CLIENTS: usize = 4;
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("HEADER_TIMEOUT", "3s"),
        ("KEEP_ALIVE", "5s"),
    ];
    let server = Server::start(&directory, &environment).await;
    let (cpu, memory) = ("process_cpu_seconds_total", "process_resident_memory_bytes");
    let memory_before = server.metric(memory).await.unwrap();
    let requests = "GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".repeat(1000);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut connection, requests) = (connect(&server).await, requests.clone());
        clients
            .spawn(async move { while connection.write_all(requests.as_bytes()).await.is_ok() {} });
    }
    // Once the socket buffers of both sides are full, the server is idle.
    let mut window = tokio::time::interval(Duration::from_millis(500));
    let mut cpu_before = f64::NEG_INFINITY;
    eventually(PATIENCE, async || {
        window.tick().await;
        let cpu_now = server.metric(cpu).await.unwrap();
        cpu_now - std::mem::replace(&mut cpu_before, cpu_now) < 0.2
    })
    .await;
    let memory_now = server.metric(memory).await.unwrap();
    assert!(
        memory_now - memory_before < 60e6,
        "{memory_before} became {memory_now}"
    );
    while let Some(ended) = timeout(PATIENCE, clients.join_next())
        .await
        .expect("they are cut off")
    {
        ended.unwrap();
    }
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
}

/// Clients that ask for pages of long messages and read nothing.
#[tokio::test(flavor = "multi_thread")]
async fn responses_that_nobody_reads_are_bounded_in_bytes() {
    const CLIENTS: usize = 400;
    let directory = TempDir::new().unwrap();
    let environment = [
        ("RATE_LIMIT_ENABLED", "false"),
        // Less than the buffers of the sockets leave of the pages.
        ("MAX_RESPONSE_BYTES", "1048576"),
    ];
    let server = Server::start(&directory, &environment).await;
    let text = "\u{1f4ef}".repeat(1_000);
    let batch: Vec<_> = (0..200).map(|_| json!({"message": text})).collect();
    let path = "/api/v1/topics/long/messages";
    let stored = server
        .client
        .post(format!("{}{path}/batch", server.url))
        .json(&batch)
        .send();
    assert_eq!(stored.await.unwrap().status(), StatusCode::CREATED);
    let memory = "process_resident_memory_bytes";
    let before = server.metric(memory).await.unwrap();
    let mut unread = Vec::new();
    let request = format!("GET {path}?limit=200 HTTP/1.1\r\nHost: a\r\n\r\n").repeat(20);
    for _ in 0..CLIENTS {
        let mut connection = connect(&server).await;
        connection.write_all(request.as_bytes()).await.unwrap();
        unread.push(connection);
    }
    let shed = "app_requests_shed_total{reason=\"response_bytes\"}";
    eventually(PATIENCE, async || server.metric(shed).await > Some(0.0)).await;
    // The response with the metrics needs space too.
    let mut now = None;
    eventually(PATIENCE, async || {
        now = server.metric(memory).await;
        now.is_some()
    })
    .await;
    let now = now.unwrap();
    assert!(now - before < 100e6, "{before} became {now}");
    // The others are served once the space is free.
    drop(unread);
    eventually(PATIENCE, async || {
        server.get(&format!("{path}?limit=200")).await.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_connection_past_the_limit_waits_until_another_ends() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("MAX_CONNECTIONS", "5"),
        ("WORKERS", "1"),
        ("HEADER_TIMEOUT", "60s"),
        ("MAX_CONNECTIONS_PER_CLIENT", "0"),
    ];
    let server = Server::start(&directory, &environment).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(connect(&server).await);
    }
    let mut waiting = connect(&server).await;
    let ping = b"GET /api/v1/ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    waiting.write_all(ping).await.unwrap();
    let mut answer = String::new();
    let early = timeout(
        Duration::from_millis(500),
        waiting.read_to_string(&mut answer),
    )
    .await;
    assert!(early.is_err(), "{answer}");
    drop(held);
    timeout(PATIENCE, waiting.read_to_string(&mut answer))
        .await
        .expect("its turn comes")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn one_byte_per_second_times_out_in_head_and_body_and_is_counted() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("HEADER_TIMEOUT", "2s"),
        ("REQUEST_TIMEOUT", "2s"),
    ];
    let server = Server::start(&directory, &environment).await;
    let body = "POST /api/v1/message HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n";
    let answered = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "GET /api/v1/ping HTTP/1.1\r\nX: ";
    for (before, reason) in [
        (head.to_owned(), "header_timeout"),
        (format!("{answered}{answered}"), "header_timeout"),
        (body.to_owned(), "request_timeout"),
    ] {
        let mut connection = connect(&server).await;
        connection.write_all(before.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        let drip = async {
            while !String::from_utf8_lossy(&text).contains("HTTP/1.1 408 ") {
                // A byte may arrive after the server has closed the connection.
                let _ = connection.write_all(b"G").await;
                let _ = timeout(Duration::from_secs(1), connection.read_buf(&mut text)).await;
            }
        };
        timeout(PATIENCE, drip).await.expect("it is cut off");
        let shed = format!("app_requests_shed_total{{reason=\"{reason}\"}}");
        assert!(server.metric(&shed).await >= Some(1.0), "{reason}");
    }
    assert_eq!(
        server.metric("app_requests_in_flight").await,
        Some(1.0),
        "the scrape alone"
    );
}
