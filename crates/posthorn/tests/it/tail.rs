//! `posthorn tail` against a real server.

use std::process::Stdio;

use posthorn_testkit::free_port;
use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, posthorn};

#[tokio::test(flavor = "multi_thread")]
async fn tail_resumes_after_a_killed_server_without_loss_or_repeat() {
    let directory = TempDir::new().unwrap();
    let port = free_port().to_string();
    let mut server = Server::start(&directory, &[("PORT", &port)]).await;
    let mut command = posthorn(directory.path());
    command.args([
        "tail",
        "inbox",
        "--json",
        "--after",
        "00000000000000000000000000",
    ]);
    command
        .env("POSTHORN_URL", &server.url)
        .stdout(Stdio::piped());
    let mut tail = command.spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    for round in 0..4 {
        for number in 0..25 {
            let text = format!("{round}-{number}");
            assert_eq!(server.post(&text).await.status(), StatusCode::CREATED);
            let line = timeout(PATIENCE, lines.next_line())
                .await
                .expect("in time")
                .unwrap()
                .unwrap();
            let message: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(message["message"], text.as_str());
        }
        server.signal("KILL").await;
        server.ended().await;
        server = Server::start(&directory, &[("PORT", &port)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_a_text_of_many_lines_as_one_line() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let text = "one\n2026-01-01T00:00:00Z  0  forged\tend";
    assert_eq!(server.post(text).await.status(), StatusCode::CREATED);
    assert_eq!(server.post("two").await.status(), StatusCode::CREATED);
    let mut command = posthorn(directory.path());
    command
        .args(["tail", "inbox", "--after", "00000000000000000000000000"])
        .env("POSTHORN_URL", &server.url)
        .stdout(Stdio::piped());
    let mut tail = command.spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    for ending in [r"  one\n2026-01-01T00:00:00Z  0  forged\tend", "  two"] {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("in time");
        let line = line.unwrap().unwrap();
        assert!(line.ends_with(ending), "{line:?}");
    }
}
