//! `posthorn topics`, `list`, `get`, `delete` and `tail --last` against a real server.

use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::support::{PATIENCE, Server, posthorn, run};

/// A server with these texts in the topic `jobs`, and the directory of its store.
async fn server_with(texts: &[String]) -> (Server, TempDir) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let url = format!("{}/api/v1/topics/jobs/messages/batch", server.url);
    for texts in texts.chunks(1000) {
        let batch: Vec<_> = texts
            .iter()
            .map(|text| json!({ "message": text }))
            .collect();
        let response = server.client.post(&url).json(&batch).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
    }
    (server, directory)
}

fn numbers(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

/// Runs a command that succeeds; returns its output and what it reports.
async fn call(server: &Server, directory: &TempDir, arguments: &[&str]) -> (String, String) {
    let environment = [("POSTHORN_URL", server.url.as_str())];
    let (status, stdout, stderr) = run(directory.path(), arguments, &environment).await;
    assert_eq!(status.code(), Some(0), "{arguments:?}: {stderr}");
    (stdout, stderr)
}

/// The texts of lines of JSON.
fn texts(lines: &str) -> Vec<String> {
    let messages = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .map(|message| message["message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_over_pages_and_says_how_it_goes_on() {
    let all = numbers(450);
    let (server, directory) = server_with(&all).await;
    let list = ["list", "jobs", "--json", "--limit"];
    let (stdout, stderr) = call(&server, &directory, &[&list[..], &["1000"]].concat()).await;
    assert_eq!((texts(&stdout), stderr.as_str()), (all.clone(), ""));

    let (stdout, stderr) = call(&server, &directory, &[&list[..], &["250"]].concat()).await;
    assert_eq!(texts(&stdout), all[..250]);
    let after = stderr.trim().rsplit(' ').next().unwrap();
    let rest = [&list[..], &["1000", "--after", after]].concat();
    let (stdout, stderr) = call(&server, &directory, &rest).await;
    assert_eq!((texts(&stdout), stderr.as_str()), (all[250..].to_vec(), ""));

    let newest = [&list[..], &["2", "--newest"]].concat();
    let (stdout, stderr) = call(&server, &directory, &newest).await;
    assert_eq!(texts(&stdout), ["450", "449"]);
    let before = stderr.trim().rsplit(' ').next().unwrap();
    let older = [&list[..], &["1", "--newest", "--before", before]].concat();
    let (stdout, _) = call(&server, &directory, &older).await;
    assert_eq!(texts(&stdout), ["448"]);

    let (stdout, _) = call(&server, &directory, &["list", "jobs", "--since", "1h"]).await;
    assert_eq!(stdout.lines().count(), 50);
    let (stdout, _) = call(&server, &directory, &["list", "jobs", "--since", "0s"]).await;
    assert_eq!(stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_listed_printed_and_deleted_without_control_characters() {
    let text = "a\u{202e}b\tc\nd";
    let (server, directory) = server_with(&[text.to_owned()]).await;
    let (topics, _) = call(&server, &directory, &["topics"]).await;
    let rows: Vec<Vec<_>> = topics
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["topic", "count", "first_id", "last_id"]);
    assert_eq!(rows[1][..2], ["jobs", "1"]);
    let id = rows[1][2];
    let (json, _) = call(&server, &directory, &["topics", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["last_id"], id);

    let escaped = r"a\u{202e}b\tc\nd";
    let (line, _) = call(&server, &directory, &["list", "jobs"]).await;
    assert!(line.ends_with(&format!("  {id}  {escaped}\n")), "{line}");
    let (lines, _) = call(&server, &directory, &["get", "jobs", id]).await;
    assert!(
        lines.contains(&format!("message            {escaped}\n")),
        "{lines}"
    );
    let (json, _) = call(&server, &directory, &["get", "jobs", id, "--json"]).await;
    assert_eq!(texts(&json), [text]);

    let (stdout, stderr) = call(&server, &directory, &["delete", "jobs", id]).await;
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
    for command in ["get", "delete"] {
        let environment = [("POSTHORN_URL", server.url.as_str())];
        let arguments = [command, "jobs", id];
        let (status, _, stderr) = run(directory.path(), &arguments, &environment).await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains("404 not-found"), "{stderr}");
    }
    let (topics, _) = call(&server, &directory, &["topics"]).await;
    assert_eq!(topics.lines().count(), 1, "{topics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_messages_before_an_id_are_deleted_in_as_many_calls_as_needed() {
    let (server, directory) = server_with(&numbers(2_500)).await;
    let newest = ["list", "jobs", "--json", "--newest", "--limit", "1"];
    let (newest, _) = call(&server, &directory, &newest).await;
    let newest: Value = serde_json::from_str(&newest).unwrap();
    let id = newest["id"].as_str().unwrap();
    let delete = ["delete", "jobs", "--before", id];
    for expected in ["deleted 2499\n", "deleted 0\n"] {
        let (stdout, stderr) = call(&server, &directory, &delete).await;
        assert_eq!((stdout.as_str(), stderr.as_str()), (expected, ""));
    }
    assert_eq!(server.all_texts("jobs").await, ["2500"]);
    let (status, _, advice) = run(directory.path(), &["delete", "jobs"], &[]).await;
    assert_eq!(status.code(), Some(2), "{advice}");
    let greatest = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
    assert!(advice.contains(greatest), "{advice}");
    let delete = ["delete", "jobs", "--before", greatest];
    assert_eq!(call(&server, &directory, &delete).await.0, "deleted 1\n");
    assert!(server.all_texts("jobs").await.is_empty());
    let both = ["delete", "jobs", id, "--before", id];
    let (status, ..) = run(directory.path(), &both, &[]).await;
    assert_eq!(status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_the_last_messages_and_follows() {
    for (stored, count, expected) in [(0, "3", 0), (2, "3", 2), (450, "203", 203), (5, "0", 0)] {
        let (server, directory) = server_with(&numbers(stored)).await;
        let mut command = posthorn(directory.path());
        command
            .args(["tail", "jobs", "--json", "-n", count])
            .env("POSTHORN_URL", &server.url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut tail = command.spawn().unwrap();
        let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        let mut next = async || {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("in time");
            texts(&line.unwrap().unwrap()).remove(0)
        };
        for number in stored - expected + 1..=stored {
            assert_eq!(next().await, number.to_string());
        }
        // A stream without a position has the messages from its opening on.
        let opened = async || server.metric("app_streams_open").await == Some(1.0);
        timeout(PATIENCE, async { while !opened().await {} })
            .await
            .expect("it opens");
        let url = format!("{}/api/v1/topics/jobs/messages", server.url);
        server.client.post(&url).body("live").send().await.unwrap();
        assert_eq!(next().await, "live");
        tail.kill().await.unwrap();
        let output = tail.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}
