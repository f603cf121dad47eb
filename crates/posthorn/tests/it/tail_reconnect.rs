//! `posthorn tail` against streams that are written byte by byte.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::stub_server::StubServer;
use crate::support::{PATIENCE, output_of};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

fn lines(tail: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(tail.stdout.take().unwrap()).lines()
}

async fn number(lines: &mut Lines<BufReader<ChildStdout>>) -> u64 {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("in time");
    let message: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
    message["n"].as_u64().unwrap()
}

fn frame(number: u64) -> String {
    let data = json!({ "n": number });
    format!("id: {number:026}\nevent: message\ndata: {data}\n\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_that_is_cut_off_anywhere_in_a_frame_loses_and_repeats_nothing() {
    let stub = StubServer::new().await;
    let mut tail = stub.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    let length = frame(100).len();
    // Every third byte, and between the two line ends that make a frame whole.
    let cuts = (1..length).step_by(3).chain([length - 2, length - 1]);
    let mut seen = 100;
    for cut in cuts {
        let (mut connection, resumed) = stub.accept().await;
        let after = resumed.map_or(100, |id| id.parse().unwrap());
        assert_eq!(after, seen, "cut at {cut} of {length}");
        let greeting = format!("retry: 1\nid: {after:026}\n\n");
        let (whole, part) = (frame(after + 1), frame(after + 2));
        let answer = format!("{STREAM}{greeting}{whole}{part}").into_bytes();
        let sent = answer.len() - part.len() + cut;
        connection.write_all(&answer[..sent]).await.unwrap();
        connection.shutdown().await.unwrap();
        assert_eq!(number(&mut lines).await, after + 1);
        seen = after + 1;
    }
    // What was said together with the farewell was read.
    let (mut connection, _) = stub.accept().await;
    let answer = format!("{STREAM}{}event: bye\ndata: {{}}\n\n", frame(seen + 1));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, seen + 1);
    let (_connection, resumed) = stub.accept().await;
    assert_eq!(resumed, Some(format!("{:026}", seen + 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_rejects_a_response_that_is_not_an_event_stream() {
    let stub = StubServer::new().await;
    for (kind, said) in [
        ("Content-Type: text/html; charset=utf-8\r\n", "text/html"),
        ("", "POSTHORN_URL"),
    ] {
        let tail = stub.tail(&[]).spawn().unwrap();
        let (mut connection, _) = stub.accept().await;
        let answer = format!("HTTP/1.1 200 OK\r\n{kind}\r\n<p>");
        connection.write_all(answer.as_bytes()).await.unwrap();
        let (status, stderr) = output_of(tail).await;
        assert_eq!(status, Some(1));
        assert!(
            stderr.contains(said) && stderr.contains("event stream"),
            "{stderr}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_ends_with_a_position_that_the_server_rejects() {
    let stub = StubServer::new().await;
    // An id that can be valid: whether it is, only the server knows.
    let id = "01KATQ2J00000000000000001F";
    let tail = stub.tail(&["--after", id]).spawn().unwrap();
    let (mut connection, resumed) = stub.accept().await;
    assert_eq!(resumed, Some(id.to_lowercase()));
    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer).await.unwrap();
    let (status, stderr) = output_of(tail).await;
    assert_eq!(status, Some(1));
    assert!(stderr.contains("400 Bad Request"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_reports_a_series_of_failures_once_and_its_end_once() {
    let stub = StubServer::new().await;
    let mut tail = stub.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    // A connection that ends without an answer, and answers that ask for patience.
    for answer in [
        "",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (mut connection, _) = stub.accept().await;
        connection.write_all(answer.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
    }
    let (mut connection, _) = stub.accept().await;
    let answer = format!("{STREAM}{}", frame(1));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 1);
    connection.shutdown().await.unwrap();
    let (mut connection, _) = stub.accept().await;
    let answer = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer).await.unwrap();
    let (status, stderr) = output_of(tail).await;
    assert_eq!(status, Some(1));
    let said: Vec<_> = stderr.lines().collect();
    assert_eq!(said.len(), 3, "{stderr}");
    assert!(said[0].ends_with("; trying again"), "{stderr}");
    assert_eq!(said[1], "posthorn: the server responds again");
    assert_eq!(
        said[2],
        "posthorn: the server rejected the request: 410 Gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_reports_a_gap_on_standard_error_and_ends_on_an_interrupt() {
    let stub = StubServer::new().await;
    let mut tail = stub.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    let (mut connection, _) = stub.accept().await;
    let gap = format!("event: gap\ndata: {{\"first_id\":\"{:026}\"}}\n\n", 7);
    let answer = format!("{STREAM}{gap}{}", frame(7));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 7);
    let pid = tail.id().unwrap().to_string();
    let kill = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(kill.await.unwrap().success());
    let output = timeout(PATIENCE, tail.wait_with_output()).await.unwrap();
    let output = output.unwrap();
    // A shell shows that as 130.
    assert_eq!(output.status.signal(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("removed or lost"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_waits_as_long_as_retry_after_requests() {
    let stub = StubServer::new().await;
    let _tail = stub.tail(&[]).kill_on_drop(true).spawn().unwrap();
    let (mut connection, _) = stub.accept().await;
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer).await.unwrap();
    drop(connection);
    let asked = tokio::time::Instant::now();
    stub.accept().await;
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_ends_with_the_reader_of_its_output() {
    let stub = StubServer::new().await;
    let mut tail = stub.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    let (mut connection, _) = stub.accept().await;
    let answer = format!("{STREAM}{}", frame(1));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 1);
    // As `head -1` does it; there is no other message that could be written in vain.
    drop(lines);
    assert_eq!(output_of(tail).await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_resumes_after_the_id_of_a_frame_without_an_event() {
    let stub = StubServer::new().await;
    let _tail = stub.tail(&[]).kill_on_drop(true).spawn().unwrap();
    let (mut connection, resumed) = stub.accept().await;
    assert_eq!(resumed, None);
    let answer = format!(
        "{STREAM}retry: 1\nid: {:026}\n\nevent: bye\ndata: {{}}\n\n",
        7
    );
    connection.write_all(answer.as_bytes()).await.unwrap();
    let (mut connection, resumed) = stub.accept().await;
    assert_eq!(resumed, Some(format!("{:026}", 7)));
    // A farewell that names no place takes none away.
    let answer = format!("{STREAM}retry: 1\n\nevent: bye\ndata: {{}}\n\n");
    connection.write_all(answer.as_bytes()).await.unwrap();
    let (_connection, resumed) = stub.accept().await;
    assert_eq!(resumed, Some(format!("{:026}", 7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_continues_after_standard_error_is_closed() {
    let stub = StubServer::new().await;
    let mut tail = stub.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    drop(tail.stderr.take());
    // It has to tell that the first try failed, that the second did not, and of a gap.
    drop(stub.accept().await);
    let (mut connection, _) = stub.accept().await;
    let gap = format!("event: gap\ndata: {{\"first_id\":\"{:026}\"}}\n\n", 7);
    let answer = format!("{STREAM}{gap}{}", frame(7));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_waits_as_long_as_a_busy_server_requests() {
    let stub = StubServer::new().await;
    let _tail = stub.tail(&[]).kill_on_drop(true).spawn().unwrap();
    let (mut connection, _) = stub.accept().await;
    let answer = format!("{STREAM}retry: 1000\nevent: busy\ndata: {{}}\n\n");
    connection.write_all(answer.as_bytes()).await.unwrap();
    let requested = tokio::time::Instant::now();
    stub.accept().await;
    assert!(requested.elapsed() >= Duration::from_secs(1));
}
