//! `posthorn work` against a stub of a consumer.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use posthorn_testkit::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::stub_consumer::StubConsumer;
use crate::support::{PATIENCE, output_of, posthorn, send_signal};

/// A running worker, its server and a directory for files of its commands.
struct Work {
    stub: StubConsumer,
    directory: TempDir,
    child: Child,
}

impl Work {
    /// Starts `posthorn work jobs --consumer worker` with this script for `sh` as the command.
    fn start(stub: StubConsumer, options: &[&str], script: &str) -> Self {
        Self::start_command(stub, options, &["sh", "-c", script])
    }

    fn start_command(stub: StubConsumer, options: &[&str], command: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let child = posthorn(directory.path())
            .args(["work", "jobs", "--consumer", "worker"])
            .args(options)
            .arg("--")
            .args(command)
            .env("POSTHORN_URL", &stub.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stub,
            directory,
            child,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn signal(&self, signal: &str) {
        send_signal(self.child.id().unwrap(), signal).await;
    }

    /// Waits until so many messages are acknowledged.
    async fn acked(&self, count: usize) {
        eventually(PATIENCE, async || self.stub.state().acked.len() == count).await;
    }

    /// Stops the worker; returns its exit code and standard error.
    async fn stop(self) -> (Option<i32>, String) {
        self.signal("TERM").await;
        output_of(self.child).await
    }
}

async fn file_exists(path: &Path) {
    eventually(PATIENCE, async || path.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_text_and_the_variables_of_its_message() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "строка\nдве", json!({ "content-type": "a b" }));
    let script = r#"cat > text; echo "$POSTHORN_ID $POSTHORN_TOPIC $POSTHORN_ATTEMPT \
        $POSTHORN_ATTRIBUTE_CONTENT_TYPE $POSTHORN_ATTRIBUTES" > variables"#;
    let work = Work::start(stub, &[], script);
    work.acked(1).await;
    assert_eq!(work.stub.state().acked, [("m1".to_owned(), 1)]);
    let text = fs::read_to_string(work.path("text")).unwrap();
    assert_eq!(text, "строка\nдве");
    let variables = fs::read_to_string(work.path("variables")).unwrap();
    let words: Vec<_> = variables.split_whitespace().collect();
    let expected = [
        "m1",
        "jobs",
        "1",
        "a",
        "b",
        r#"{"content-type":"a"#,
        r#"b"}"#,
    ];
    assert_eq!(words, expected);
    assert_eq!(work.stop().await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_message_can_be_passed_as_json() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "text", json!({ "a": "b" }));
    // `read` fails without the end of the line, and then the message is not acknowledged.
    let command = "read -r line || exit 9; printf %s \"$line\" > message";
    let work = Work::start(stub, &["--json"], command);
    work.acked(1).await;
    let message = fs::read(work.path("message")).unwrap();
    let message: Value = serde_json::from_slice(&message).unwrap();
    assert_eq!(message["message"], "text");
    assert_eq!(message["attributes"]["a"], "b");
    assert_eq!(message["processed_at"], "2026-01-01T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_command_gives_its_message_up_with_the_exit_code() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "fails", json!({}));
    stub.add("m2", "is killed", json!({}));
    stub.add("m3", "succeeds", json!({}));
    let script = "case $(cat) in fails) exit 3;; is*) kill -9 $$;; esac";
    let work = Work::start(stub, &[], script);
    eventually(PATIENCE, async || work.stub.state().nacked.len() == 4).await;
    work.acked(1).await;
    let mut nacked = work.stub.state().nacked.clone();
    nacked.sort();
    let entry = |id: &str, reason: &str| (id.to_owned(), reason.to_owned());
    let [three, nine] = [entry("m1", "exit code 3"), entry("m2", "signal 9")];
    assert_eq!(nacked, [three.clone(), three, nine.clone(), nine]);
    let (code, stderr) = work.stop().await;
    assert_eq!(code, Some(0));
    assert!(
        stderr.contains("message m1, attempt 2: exit code 3\n"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_need_not_read_its_input() {
    let stub = StubConsumer::start().await;
    // More than a pipe holds; a child keeps the pipe open.
    stub.add("m1", &"x".repeat(1 << 20), json!({}));
    let work = Work::start(stub, &[], "sleep 60 <&0 >/dev/null 2>&1 & echo $! > pid");
    work.acked(1).await;
    let pid = fs::read_to_string(work.path("pid")).unwrap();
    send_signal(pid.trim().parse().unwrap(), "KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_extended_while_a_command_runs() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "slow", json!({}));
    let work = Work::start(stub, &["--lease", "1s", "--concurrency", "2"], "sleep 3");
    work.acked(1).await;
    let state = work.stub.state();
    assert_eq!(state.acked, [("m1".to_owned(), 1)]);
    assert_eq!(state.granted, 1, "no second worker slot got it meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_has_ended_is_reported() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "", json!({}));
    let script = "touch started; until [ -e go ]; do sleep 0.02; done";
    let work = Work::start(stub, &[], script);
    file_exists(&work.path("started")).await;
    work.stub.state().end_leases();
    fs::write(work.path("go"), "").unwrap();
    eventually(PATIENCE, async || work.stub.state().open_pulls == 1).await;
    assert_eq!(work.stub.state().acked, []);
    let (code, stderr) = work.stop().await;
    assert_eq!(code, Some(0));
    assert!(
        stderr.contains("message m1, attempt 1: its lease had ended"),
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_bounds_the_commands_at_once() {
    let stub = StubConsumer::start().await;
    for number in 0..7 {
        stub.add(&format!("m{number}"), "", json!({}));
    }
    let script = r#"touch "$POSTHORN_ID"; until [ -e go ]; do sleep 0.02; done"#;
    let work = Work::start(stub, &["--concurrency", "3"], script);
    let started = || {
        let names = (0..7).map(|number| format!("m{number}"));
        names.filter(|name| work.path(name).exists()).count()
    };
    eventually(PATIENCE, async || started() == 3).await;
    assert_eq!(
        work.stub.state().granted,
        3,
        "no message waits in the worker"
    );
    fs::write(work.path("go"), "").unwrap();
    work.acked(7).await;
    assert_eq!(work.stub.state().most_in_flight, 3);
    assert_eq!(work.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_survives_a_server_that_is_away() {
    let stub = StubConsumer::start().await;
    stub.state().is_down = true;
    stub.add("m1", "", json!({}));
    let script = r#"touch "$POSTHORN_ID"; until [ -e go ]; do sleep 0.02; done"#;
    let work = Work::start(stub, &["--lease", "60s"], script);
    let refused = || work.stub.state().refused;
    eventually(PATIENCE, async || refused() > 0).await;
    work.stub.state().is_down = false;
    file_exists(&work.path("m1")).await;
    // Away while the acknowledgement is due.
    work.stub.state().is_down = true;
    let before = refused();
    fs::write(work.path("go"), "").unwrap();
    eventually(PATIENCE, async || refused() > before).await;
    work.stub.state().is_down = false;
    work.acked(1).await;
    work.stub.add("m2", "", json!({}));
    work.acked(2).await;
    let acked = work.stub.state().acked.clone();
    assert_eq!(acked, [("m1".to_owned(), 1), ("m2".to_owned(), 1)]);
    assert_eq!(work.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_signal_lets_the_running_commands_finish() {
    for signal in ["TERM", "INT"] {
        let stub = StubConsumer::start().await;
        stub.add("m1", "", json!({}));
        let script = "touch started; until [ -e go ]; do sleep 0.02; done";
        let mut work = Work::start(stub, &["--concurrency", "2"], script);
        file_exists(&work.path("started")).await;
        let open_pulls = || work.stub.state().open_pulls;
        eventually(PATIENCE, async || open_pulls() == 1).await;
        work.signal(signal).await;
        eventually(PATIENCE, async || open_pulls() == 0).await;
        // No pull is open, so that this message stays with the server.
        work.stub.add("m2", "", json!({}));
        assert!(work.child.try_wait().unwrap().is_none(), "{signal}");
        fs::write(work.path("go"), "").unwrap();
        assert_eq!(output_of(work.child).await, (Some(0), String::new()));
        assert_eq!(work.stub.state().acked, [("m1".to_owned(), 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_kills_the_commands_and_their_children() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "", json!({}));
    // The child of the command would write the file.
    let script = "sh -c 'echo $$ > pid; touch started; sleep 60; touch survived' & wait";
    let work = Work::start(stub, &[], script);
    file_exists(&work.path("started")).await;
    work.signal("TERM").await;
    work.signal("INT").await;
    let path = work.path("pid");
    let output = work.child.wait_with_output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .expect("it ends")
        .unwrap();
    let code = output.status.code();
    assert!(
        matches!(code, Some(130 | 143)),
        "{:?} {:?}",
        code,
        output.status.signal()
    );
    let pid = fs::read_to_string(path).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let is_gone = || match fs::read_to_string(&stat) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    eventually(PATIENCE, async || is_gone()).await;
    assert_eq!(work.stub.state().acked, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_started_stops_the_worker() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "", json!({}));
    let work = Work::start_command(stub, &[], &["/nowhere/command"]);
    let (code, stderr) = output_of(work.child).await;
    assert_eq!(code, Some(1));
    let reason = "the command /nowhere/command cannot be started: No such file";
    assert!(stderr.contains(reason), "{stderr}");
    let nacked = work.stub.state().nacked.clone();
    assert_eq!(nacked.len(), 1);
    assert!(nacked[0].1.contains(reason), "{nacked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_consumer_is_an_error_or_created_on_request() {
    let stub = StubConsumer::start().await;
    stub.state().exists = false;
    let work = Work::start(stub, &[], "true");
    let (code, stderr) = output_of(work.child).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("404 not-found"), "{stderr}");

    // A second worker finds the consumer of the first.
    let mut stub = work.stub;
    for id in ["m1", "m2"] {
        stub.add(id, "", json!({}));
        let work = Work::start(stub, &["--create"], "true");
        let acked = usize::from(id == "m2") + 1;
        work.acked(acked).await;
        work.signal("TERM").await;
        assert_eq!(output_of(work.child).await, (Some(0), String::new()));
        stub = work.stub;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_consumer_stops_the_worker_after_its_commands() {
    let stub = StubConsumer::start().await;
    stub.add("m1", "", json!({}));
    let script = "touch started; until [ -e go ]; do sleep 0.02; done; touch finished";
    let work = Work::start(stub, &["--lease", "1s"], script);
    file_exists(&work.path("started")).await;
    work.stub.state().exists = false;
    eventually(PATIENCE, async || {
        let state = work.stub.state();
        state
            .requests
            .iter()
            .any(|(_, path, ..)| path.ends_with("/extend"))
    })
    .await;
    fs::write(work.path("go"), "").unwrap();
    let finished = work.path("finished");
    let (code, stderr) = output_of(work.child).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("404 not-found"), "{stderr}");
    assert!(finished.exists());
}
