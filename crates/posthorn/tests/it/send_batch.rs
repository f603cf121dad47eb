//! `posthorn send --batch` against a real server.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, posthorn};

/// Runs the command with this input; returns its exit code, standard output and standard error.
async fn send(
    directory: &Path,
    server: &Server,
    arguments: &[&str],
    input: &str,
) -> (Option<i32>, String, String) {
    let mut command = posthorn(directory);
    command
        .args(["send", "--batch"])
        .args(arguments)
        .env("POSTHORN_URL", &server.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = tokio::spawn(async move {
        // The command may end before it has read everything.
        let _ = stdin.write_all(input.as_bytes()).await;
    });
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    writer.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_a_message_and_many_lines_are_many_batches() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let lines: Vec<_> = (0..2500).map(|number| format!("line {number}")).collect();
    let input = format!("{}\n\n", lines.join("\n"));
    let arguments = [
        "--topic",
        "t",
        "--attribute",
        "k=v",
        "--idempotency-key",
        "key",
    ];
    let (code, ids, stderr) = send(directory.path(), &server, &arguments, &input).await;
    assert_eq!(code, Some(0), "{stderr}");
    let stored = server.all_messages("t").await;
    let (stored_ids, texts): (Vec<_>, Vec<_>) = stored.into_iter().unzip();
    assert_eq!(texts, lines);
    assert_eq!(ids.lines().collect::<Vec<_>>(), stored_ids);
    // The same key again stores nothing and prints the same ids.
    let (code, again, _) = send(directory.path(), &server, &arguments, &input).await;
    assert_eq!((code, again), (Some(0), ids));
    assert_eq!(server.all_messages("t").await.len(), 2500);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_json_are_sent_as_they_are_and_a_mistake_names_its_line() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let input = "{\"message\": \"a\", \"attributes\": {\"k\": \"1\"}}\n{\"message\": \"b\"}\n";
    let (code, receipts, stderr) =
        send(directory.path(), &server, &["--ndjson", "--json"], input).await;
    assert_eq!(code, Some(0), "{stderr}");
    let topics: Vec<_> = receipts
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["topic"].clone())
        .collect();
    assert_eq!(topics, ["inbox", "inbox"]);
    assert_eq!(server.all_texts("inbox").await, ["a", "b"]);
    let (code, _, stderr) = send(directory.path(), &server, &["--ndjson"], "{}\nnope\n").await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("line 2: it is not JSON"), "{stderr}");
    let (code, _, stderr) = send(directory.path(), &server, &["--ndjson"], "\n{}\n").await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("line 2: message: "), "{stderr}");
    assert!(
        stderr.contains("nothing of the lines 2-2 is stored"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_server_never_accepts_is_sent_in_halves() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_MESSAGE", "25 per second"),
        ("MAX_BATCH_BYTES", "2000"),
    ];
    let server = Server::start(&directory, &environment).await;
    let lines: Vec<_> = (0..90).map(|number| format!("line {number}")).collect();
    let (code, ids, stderr) = send(directory.path(), &server, &[], &lines.join("\n")).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(ids.lines().count(), 90);
    assert_eq!(server.all_texts("inbox").await, lines);
}

const KEY: [&str; 2] = ["--idempotency-key", "k"];

fn numbered(count: usize) -> String {
    let lines = (0..count).map(|number| format!("line {number}\n"));
    lines.collect::<Vec<_>>().concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_with_another_input_is_refused() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let (code, ids, stderr) = send(directory.path(), &server, &KEY, &numbered(1500)).await;
    assert_eq!((code, ids.lines().count()), (Some(0), 1500), "{stderr}");
    let (code, again, stderr) = send(directory.path(), &server, &KEY, &numbered(1501)).await;
    assert_eq!(code, Some(1), "{stderr}");
    // The first batch is the same.
    assert!(ids.starts_with(&again) && again.lines().count() == 1000);
    assert!(stderr.contains("422 idempotency-key-reused"), "{stderr}");
    assert!(
        stderr.contains("nothing of the lines 1001-1501"),
        "{stderr}"
    );
    assert_eq!(server.all_messages("inbox").await.len(), 1500);
    // The first batch has the key itself, as another client would send it.
    let url = format!("{}/api/v1/topics/inbox/messages/batch", server.url);
    let request = server.client.post(url).header("Idempotency-Key", "k");
    let response = request.json(&["a"]).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let url = format!("{}/api/v1/topics/inbox/messages", server.url);
    let request = server.client.post(url).header("Idempotency-Key", "k");
    let response = request.body("a").send().await.unwrap();
    assert_eq!(response.status(), 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_key_is_never_sent_in_parts() {
    let directory = TempDir::new().unwrap();
    let environment = [
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_MESSAGE", "25 per second"),
    ];
    let server = Server::start(&directory, &environment).await;
    let (code, ids, stderr) = send(directory.path(), &server, &KEY, &numbered(26)).await;
    assert_eq!((code, ids.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("413 payload-too-large"), "{stderr}");
    assert!(stderr.contains("RATE_LIMIT_MESSAGE"), "{stderr}");
    let (code, _, stderr) = send(directory.path(), &server, &KEY, &numbered(25)).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(server.all_texts("inbox").await.len(), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_a_message_is_a_key_of_a_batch() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let longest = "k".repeat(255);
    for key in [longest.as_str(), "\"q\""] {
        let arguments = ["--idempotency-key", key];
        let (code, _, stderr) = send(directory.path(), &server, &arguments, "a\nb\n").await;
        assert_eq!(code, Some(0), "{stderr}");
    }
    assert_eq!(server.all_messages("inbox").await.len(), 4);
    let quoted = ["--idempotency-key", "\"q\"", "--topic", "t"];
    for _ in 0..2 {
        let (code, _, stderr) = send(directory.path(), &server, &quoted, &numbered(1001)).await;
        assert_eq!(code, Some(0), "{stderr}");
    }
    assert_eq!(server.all_messages("t").await.len(), 1001);
    let arguments = ["--idempotency-key", &longest, "--topic", "long"];
    let (code, _, stderr) = send(directory.path(), &server, &arguments, &numbered(1001)).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("at most 244 characters"), "{stderr}");
    assert!(server.all_messages("long").await.is_empty());
}
