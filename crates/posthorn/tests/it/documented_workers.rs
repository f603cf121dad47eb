//! The workers of `docs/CONSUMERS.md`, taken from the document and run against the real binary.

use std::path::Path;
use std::process::Stdio;

use posthorn_testkit::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::{PATIENCE, Server};

const DOCUMENT: &str = include_str!("../../../../docs/CONSUMERS.md");
const CONSUMER: &str = "/api/v1/topics/jobs/consumers/mailer";
/// The address of the server in the document.
const ADDRESS: &str = "http://127.0.0.1:5000";

/// The only block of the document in `language`.
fn block(language: &str) -> String {
    let fence = format!("```{language}\n");
    let mut blocks = DOCUMENT.split(&fence).skip(1);
    let (block, _) = blocks.next().unwrap().split_once("```").unwrap();
    assert_eq!(blocks.count(), 0, "more than one block in {language}");
    assert!(block.contains(ADDRESS), "{block}");
    block.to_owned()
}

fn start(directory: &Path, program: &str, file: &str) -> Child {
    let mut command = Command::new(program);
    command.arg(file).current_dir(directory).env_clear();
    for name in ["PATH", "HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(directory.join("output")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask setup`"))
}

/// Lets the worker handle two mails and a message that is none, and checks what becomes of each.
async fn check(language: &str, program: &str, file: &str, reason: &str) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[("STORE_URL", "memory:")]).await;
    let request = |method, path: &str, body: Value| {
        let request = server
            .client
            .request(method, format!("{}{path}", server.url));
        let request = request.json(&body).send();
        async { request.await.unwrap().error_for_status().unwrap() }
    };
    let settings = json!({"max_attempts": 2, "backoff_seconds": [0]});
    request(reqwest::Method::PUT, CONSUMER, settings).await;
    for text in [
        r#"{"to": "a@example.org"}"#,
        "no mail",
        r#"{"to": "b@example.org"}"#,
    ] {
        let path = "/api/v1/topics/jobs/messages";
        request(reqwest::Method::POST, path, json!({"message": text})).await;
    }
    let worker = block(language).replace(ADDRESS, &server.url);
    let lines = worker.lines().count();
    assert!(lines < 20, "a worker in {language} has {lines} lines");
    std::fs::write(directory.path().join(file), worker).unwrap();
    let mut child = start(directory.path(), program, file);
    eventually(PATIENCE, async || {
        let state = server.get_json(CONSUMER).await;
        state["waiting"] == 0 && state["in_flight"] == 0 && state["dead"] == 1
    })
    .await;
    assert!(child.try_wait().unwrap().is_none(), "the worker goes on");
    // It waits in a pull, which counts as a stream.
    eventually(PATIENCE, async || {
        server.metric("app_streams_open ").await == Some(1.0)
    })
    .await;
    let output = std::fs::read_to_string(directory.path().join("output")).unwrap();
    assert_eq!(output, "a@example.org\nb@example.org\n");
    let dead = server.get_json(&format!("{CONSUMER}/dead")).await;
    assert_eq!(dead["messages"][0]["message"], "no mail");
    assert_eq!(dead["messages"][0]["attempts"], 2);
    let text = dead["messages"][0]["reason"].as_str().unwrap();
    assert!(text.contains(reason), "{text}");
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_in_sh_works() {
    check("sh", "sh", "worker.sh", "exit code").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_in_python_works() {
    check("python", "python3", "worker.py", "JSONDecodeError").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_in_javascript_works() {
    check("js", "node", "worker.mjs", "SyntaxError").await;
}
