//! `posthorn tail` and `posthorn send` against a server that a test plays byte by byte.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::{PATIENCE, posthorn};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// A server that only the test knows.
struct Played {
    directory: TempDir,
    listener: TcpListener,
}

impl Played {
    async fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    fn tail(&self, arguments: &[&str]) -> Command {
        self.command(&[&["tail", "inbox", "--json"], arguments].concat())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = posthorn(self.directory.path());
        let url = format!("http://{}", self.listener.local_addr().unwrap());
        command
            .args(arguments)
            .env("POSTHORN_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The next connection, and the id that it resumes after.
    async fn accept(&self) -> (TcpStream, Option<String>) {
        let (mut connection, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .expect("it connects")
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("last-event-id: "));
        (connection, id.map(ToOwned::to_owned))
    }
}

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
    let played = Played::new().await;
    let mut tail = played.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    let length = frame(100).len();
    // Every third byte, and between the two line ends that make a frame whole.
    let cuts = (1..length).step_by(3).chain([length - 2, length - 1]);
    let mut seen = 100;
    for cut in cuts {
        let (mut connection, resumed) = played.accept().await;
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
    let (mut connection, _) = played.accept().await;
    let answer = format!("{STREAM}{}event: bye\ndata: {{}}\n\n", frame(seen + 1));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, seen + 1);
    let (_connection, resumed) = played.accept().await;
    assert_eq!(resumed, Some(format!("{:026}", seen + 1)));
}

/// Runs to its end; gives the exit status and the complaint.
async fn ended(tail: Child) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, tail.wait_with_output());
    let output = output.await.expect("it ends").unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_refuses_an_answer_that_is_no_stream() {
    let played = Played::new().await;
    for (kind, said) in [
        ("Content-Type: text/html; charset=utf-8\r\n", "text/html"),
        ("", "POSTHORN_URL"),
    ] {
        let tail = played.tail(&[]).spawn().unwrap();
        let (mut connection, _) = played.accept().await;
        let answer = format!("HTTP/1.1 200 OK\r\n{kind}\r\n<p>");
        connection.write_all(answer.as_bytes()).await.unwrap();
        let (status, stderr) = ended(tail).await;
        assert_eq!(status, Some(1));
        assert!(
            stderr.contains(said) && stderr.contains("event stream"),
            "{stderr}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_follows_a_redirect_as_a_post_or_not_at_all() {
    let played = Played::new().await;
    let send = played.command(&["send", "x"]).spawn().unwrap();
    let (mut connection, _) = played.accept().await;
    let answer = "HTTP/1.1 308 Permanent Redirect\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer.as_bytes()).await.unwrap();
    drop(connection);
    let (mut connection, _) = played.accept().await;
    let answer =
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer.as_bytes()).await.unwrap();
    let (status, stderr) = ended(send).await;
    assert_eq!(status, Some(1));
    let said = "posthorn: the server refused: 301 Moved Permanently to /elsewhere\n";
    assert_eq!(stderr, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_refuses_a_place_that_cannot_be_asked_for() {
    let played = Played::new().await;
    let tail = played.tail(&["--after", "a\nb"]).spawn().unwrap();
    let (status, stderr) = ended(tail).await;
    assert_eq!(status, Some(1));
    assert!(stderr.contains("--after: "), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_says_once_that_nobody_answers_and_once_that_somebody_does_again() {
    let played = Played::new().await;
    let mut tail = played.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    // A connection that ends without an answer, and answers that ask for patience.
    for answer in [
        "",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 425 Too Early\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (mut connection, _) = played.accept().await;
        connection.write_all(answer.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
    }
    let (mut connection, _) = played.accept().await;
    let answer = format!("{STREAM}{}", frame(1));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 1);
    connection.shutdown().await.unwrap();
    let (mut connection, _) = played.accept().await;
    let answer = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer).await.unwrap();
    let (status, stderr) = ended(tail).await;
    assert_eq!(status, Some(1));
    let said: Vec<_> = stderr.lines().collect();
    assert_eq!(said.len(), 3, "{stderr}");
    assert!(said[0].ends_with("; trying again"), "{stderr}");
    assert_eq!(said[1], "posthorn: the server answers again");
    assert_eq!(said[2], "posthorn: the server refused: 410 Gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_tells_of_a_gap_beside_the_messages_and_is_ended_by_an_interrupt() {
    let played = Played::new().await;
    let mut tail = played.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    let (mut connection, _) = played.accept().await;
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
    assert!(stderr.contains("pruned"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_waits_as_long_as_it_is_asked_to() {
    let played = Played::new().await;
    let _tail = played.tail(&[]).kill_on_drop(true).spawn().unwrap();
    let (mut connection, _) = played.accept().await;
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer).await.unwrap();
    drop(connection);
    let asked = tokio::time::Instant::now();
    played.accept().await;
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_ends_with_the_reader_of_its_output() {
    let played = Played::new().await;
    let mut tail = played.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    let (mut connection, _) = played.accept().await;
    let answer = format!("{STREAM}{}", frame(1));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 1);
    // As `head -1` does it; there is no other message that could be written in vain.
    drop(lines);
    assert_eq!(ended(tail).await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_resumes_after_the_place_that_came_together_with_the_farewell() {
    let played = Played::new().await;
    let _tail = played.tail(&[]).kill_on_drop(true).spawn().unwrap();
    let (mut connection, resumed) = played.accept().await;
    assert_eq!(resumed, None);
    let answer = format!(
        "{STREAM}retry: 1\nid: {:026}\n\nevent: bye\ndata: {{}}\n\n",
        7
    );
    connection.write_all(answer.as_bytes()).await.unwrap();
    let (mut connection, resumed) = played.accept().await;
    assert_eq!(resumed, Some(format!("{:026}", 7)));
    // A farewell that names no place takes none away.
    let answer = format!("{STREAM}retry: 1\n\nevent: bye\ndata: {{}}\n\n");
    connection.write_all(answer.as_bytes()).await.unwrap();
    let (_connection, resumed) = played.accept().await;
    assert_eq!(resumed, Some(format!("{:026}", 7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_goes_on_when_nobody_reads_what_it_tells() {
    let played = Played::new().await;
    let mut tail = played.tail(&[]).spawn().unwrap();
    let mut lines = lines(&mut tail);
    drop(tail.stderr.take());
    // It has to tell that the first try failed, that the second did not, and of a gap.
    drop(played.accept().await);
    let (mut connection, _) = played.accept().await;
    let gap = format!("event: gap\ndata: {{\"first_id\":\"{:026}\"}}\n\n", 7);
    let answer = format!("{STREAM}{gap}{}", frame(7));
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(number(&mut lines).await, 7);
}
