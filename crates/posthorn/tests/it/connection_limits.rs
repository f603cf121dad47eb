//! The limits on connections: of one client, of each worker, and of the system's open files.

use std::time::Duration;

use posthorn_testkit::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::overload::connect;
use crate::support::{PATIENCE, Server, limited_posthorn};

#[tokio::test]
async fn one_client_cannot_take_all_connections() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("MAX_CONNECTIONS_PER_CLIENT", "3"),
        ("WORKERS", "2"),
        ("HEADER_TIMEOUT", "60s"),
    ];
    let server = Server::start(&directory, &environment).await;
    let shed = "app_requests_shed_total{reason=\"client_connections\"}";
    // The client of the metrics has one connection.
    assert_eq!(server.metric(shed).await, Some(0.0));
    let held = [connect(&server).await, connect(&server).await];
    eventually(PATIENCE, async || {
        let open = server.metric("app_connections_open").await;
        open == Some(3.0)
    })
    .await;
    let mut refused = connect(&server).await;
    let mut answer = String::new();
    let read = timeout(PATIENCE, refused.read_to_string(&mut answer)).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{answer}");
    assert_eq!(server.metric(shed).await, Some(1.0));
    drop(held);
    let ping = b"GET /api/v1/ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    eventually(PATIENCE, async || {
        let mut connection = connect(&server).await;
        let mut answer = String::new();
        connection.write_all(ping).await.is_ok()
            && connection.read_to_string(&mut answer).await.is_ok()
            && answer.starts_with("HTTP/1.1 200 ")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_the_longest_idle_connection_gives_way_to_a_new_one() {
    const PING: &str = "GET /api/v1/ping HTTP/1.1\r\nHost: a\r\n\r\n";
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("MAX_CONNECTIONS", "8"),
        ("WORKERS", "1"),
        ("MAX_CONNECTIONS_PER_CLIENT", "0"),
        ("REQUEST_TIMEOUT", "60s"),
    ];
    let server = Server::start(&directory, &environment).await;
    // The first ones are busy: a stream, a waiting pull, half a body.
    let mut stream = connect(&server).await;
    let request = b"GET /api/v1/topics/inbox/stream HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    read_to(&mut stream, "\n\n\r\n").await;
    let json = "HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length:";
    let consumer = "/api/v1/topics/inbox/consumers/c";
    let mut pull = connect(&server).await;
    let created = exchange(&mut pull, &format!("PUT {consumer} {json} 2\r\n\r\n{{}}")).await;
    assert!(created.starts_with("http/1.1 201 "), "{created}");
    let request = format!("POST {consumer}/pull {json} 19\r\n\r\n{{\"wait_seconds\":20}}");
    pull.write_all(request.as_bytes()).await.unwrap();
    let mut upload = connect(&server).await;
    let half =
        "POST /api/v1/topics/inbox/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha";
    upload.write_all(half.as_bytes()).await.unwrap();
    // The second of the others has been idle longest.
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut connection = connect(&server).await;
        exchange(&mut connection, PING).await;
        idle.push(connection);
    }
    exchange(&mut idle[0], PING).await;
    let mut ninth = connect(&server).await;
    exchange(&mut ninth, PING).await;
    let closed = timeout(PATIENCE, idle.remove(1).read_u8()).await;
    let closed = closed.expect("it is closed").unwrap_err();
    assert_eq!(closed.kind(), std::io::ErrorKind::UnexpectedEof);
    // No other connection was cut off.
    for connection in idle.iter_mut().chain([&mut ninth]) {
        exchange(connection, PING).await;
    }
    let sent = exchange(&mut upload, "lf").await;
    assert!(sent.starts_with("http/1.1 201 "), "{sent}");
    read_to(&mut stream, "\n\n\r\n").await;
    let pulled = read_response(&mut pull).await;
    assert!(pulled.starts_with("http/1.1 200 "), "{pulled}");
}

#[tokio::test]
async fn all_workers_together_accept_no_more_than_the_limit_of_connections() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("STORE_URL", "memory:"),
        ("MAX_CONNECTIONS", "5"),
        ("WORKERS", "4"),
        ("HEADER_TIMEOUT", "60s"),
        ("MAX_CONNECTIONS_PER_CLIENT", "0"),
    ];
    let server = Server::start(&directory, &environment).await;
    // None of them is idle, so none gives way.
    let stream = b"GET /api/v1/topics/inbox/stream HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = Vec::new();
    let mut answered = 0;
    for _ in 0..8 {
        let mut connection = connect(&server).await;
        connection.write_all(stream).await.unwrap();
        let mut answer = [0; 1];
        let read = timeout(
            Duration::from_millis(300),
            connection.read_exact(&mut answer),
        )
        .await;
        answered += usize::from(read.is_ok());
        held.push(connection);
    }
    assert!((1..=5).contains(&answered), "{answered}");
}

#[tokio::test]
async fn the_limit_on_open_files_is_raised_or_lowers_the_limit_of_connections() {
    let directory = TempDir::new().unwrap();
    let memory = ("STORE_URL", "memory:");
    let few = [memory, ("MAX_CONNECTIONS", "100")];
    let command = limited_posthorn(directory.path(), "-S -n 300");
    let server = Server::start_by(command, &few).await;
    assert!(server.metric("process_max_fds").await > Some(300.0));
    assert_eq!(server.logged("limit on open files"), 0);
    let command = limited_posthorn(directory.path(), "-n 1000");
    let server = Server::start_by(command, &[memory]).await;
    assert_eq!(server.metric("process_max_fds").await, Some(1000.0));
    let warning = "the limit on open files, 1000, is too low for MAX_CONNECTIONS, 25000: \
        no more than 500 are accepted at once";
    assert_eq!(server.logged(warning), 1, "{:?}", server.log);
}

/// Sends `request` and reads the response, which has a `Content-Length`.
async fn exchange(connection: &mut TcpStream, request: &str) -> String {
    connection.write_all(request.as_bytes()).await.unwrap();
    read_response(connection).await
}

async fn read_response(connection: &mut TcpStream) -> String {
    let head = read_to(connection, "\r\n\r\n").await.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().unwrap()];
    let read = timeout(PATIENCE, connection.read_exact(&mut body)).await;
    read.expect("the body in time").unwrap();
    head + &String::from_utf8(body).unwrap()
}

async fn read_to(connection: &mut TcpStream, end: &str) -> String {
    let mut response = Vec::new();
    while !response.ends_with(end.as_bytes()) {
        let read = timeout(PATIENCE, connection.read_u8()).await;
        response.push(read.expect("a response in time").unwrap());
    }
    String::from_utf8(response).unwrap()
}
