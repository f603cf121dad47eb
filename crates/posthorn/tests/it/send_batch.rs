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
    assert!(stderr.contains("0.message: "), "{stderr}");
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
