//! The receivers of docs/WEBHOOKS.md, run as they are printed there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use posthorn_testkit::{eventually, free_port};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};
use crate::webhooks::{ALLOWED, path};

/// The first block of code of `language` in the document.
fn block(language: &str) -> &'static str {
    let document = include_str!("../../../../docs/WEBHOOKS.md");
    let opening = format!("```{language}\n");
    let (_, rest) = document.split_once(&opening).expect("the document has it");
    rest.split_once("```").unwrap().0
}

/// The time limit for an interpreter and its libraries to be loaded on a busy machine.
const START: Duration = Duration::from_mins(1);

/// Where `cargo xtask setup` installs the libraries.
fn libraries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/receivers")
}

/// Runs a receiver: it verifies messages, tests and a rotated secret, and rejects what others sign.
async fn check(mut command: Command) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[ALLOWED]).await;
    // No port that the system may give to a client before the receiver listens there.
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/");
    let created = server.create_webhook("a", &json!({ "url": url })).await;
    let mut receiver = command
        .env("WEBHOOK_SECRET", created["secret"].as_str().unwrap())
        .env("PORT", port.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the programs are installed: `cargo xtask setup`");
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    eventually(START, async || {
        TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;

    let mut expect = async |line: String| {
        let read = timeout(PATIENCE, lines.next_line())
            .await
            .expect("it prints");
        assert_eq!(read.unwrap(), Some(line));
    };
    let text = "Order 17: \u{1f4ef} \"ж\"";
    let id = server.order(text).await;
    expect(format!("{id} message.accepted {text}")).await;
    let rotate = format!("{}/rotate-secret", path("a"));
    server.request(Method::POST, &rotate, &json!({})).await;
    let id = server.order("after").await;
    expect(format!("{id} message.accepted after")).await;
    server.webhook_has("a", "in_flight", json!(0)).await;
    server.webhook_has("a", "state", json!("active")).await;

    // Another secret signs: the receiver rejects it.
    let own = json!({"url": url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    server.request(Method::PUT, &path("a"), &own).await;
    let trial = format!("{}/test", path("a"));
    let tested = server.request(Method::POST, &trial, &json!({})).await;
    assert_eq!(tested.json::<Value>().await.unwrap()["status"], 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_python_verifies() {
    let mut command = Command::new(libraries().join("python/bin/python"));
    command.args(["-c", block("python")]);
    check(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_in_javascript_verifies() {
    let mut command = Command::new("node");
    command.args(["-e", block("javascript")]);
    command.env("NODE_PATH", libraries().join("node/node_modules"));
    check(command).await;
}
