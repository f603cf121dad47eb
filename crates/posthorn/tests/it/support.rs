//! A running server: the real binary on a free port, in a directory of its own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The time limit of a start, a stop or a recovery on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

const BINARY: &str = env!("CARGO_BIN_EXE_posthorn");

/// The lines of a log so far.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// A server process; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) log: Log,
}

/// An HTTP client.
pub(crate) fn client() -> Client {
    // It fails if a provider is installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The servers of tests have no TLS, and the certificates of the machine take long to read.
    let builder = Client::builder().tls_certs_only([]);
    builder.build().unwrap()
}

/// The binary with a clean environment, run in `directory`.
///
/// A shell without job control starts background commands with SIGINT and SIGQUIT ignored, and `nohup`
/// with SIGHUP ignored, which the binary would inherit.
pub(crate) fn posthorn(directory: &Path) -> Command {
    posthorn_with_signals(directory, "--default-signal=INT,QUIT,HUP")
}

/// The binary with signals that `env` sets by an option, such as `--ignore-signal=HUP`.
pub(crate) fn posthorn_with_signals(directory: &Path, option: &str) -> Command {
    let mut command = Command::new("env");
    command.args([option, BINARY]);
    clean(command, directory)
}

/// The binary under a limit that `ulimit` sets, such as `-S -f 100`.
pub(crate) fn limited_posthorn(directory: &Path, limit: &str) -> Command {
    let script = format!("ulimit {limit} && exec \"$0\"");
    wrapped_posthorn(directory, &["sh", "-c", &script])
}

/// A program with arguments, the last of which is the path of the binary.
pub(crate) fn wrapped_posthorn(directory: &Path, program: &[&str]) -> Command {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(BINARY);
    clean(command, directory)
}

fn clean(mut command: Command, directory: &Path) -> Command {
    command
        .env_clear()
        .current_dir(directory)
        .kill_on_drop(true);
    // The coverage tool sets the path of the profile.
    for name in ["PATH", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) async fn run(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (ExitStatus, String, String) {
    let mut command = posthorn(directory);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let output = timeout(PATIENCE, command.output())
        .await
        .expect("it ends")
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status, text(output.stdout), text(output.stderr))
}

/// Waits for the end of a client command; returns its exit code and standard error.
pub(crate) async fn output_of(child: Child) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, child.wait_with_output());
    let output = output.await.expect("it ends").unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

impl Server {
    /// Starts a server on a free port and waits until it is ready.
    pub(crate) async fn start(directory: &TempDir, environment: &[(&str, &str)]) -> Self {
        Self::start_by(posthorn(directory.path()), environment).await
    }

    /// Starts a server by a command that becomes the server.
    pub(crate) async fn start_by(mut command: Command, environment: &[(&str, &str)]) -> Self {
        let defaults = [
            ("PORT", "0"),
            ("LOG_FORMAT", "bunyan"),
            ("LOG_LEVEL", "info"),
            // Most tests send more than the quotas allow; the tests of quotas enable them.
            ("RATE_LIMIT_ENABLED", "false"),
        ];
        command.envs(defaults).envs(environment.iter().copied());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = Log::default();
        let url = timeout(PATIENCE, ready_url(&mut lines, &log))
            .await
            .expect("it gets ready");
        tokio::spawn(keep_log(lines, Arc::clone(&log)));
        Self {
            child,
            url,
            client: client(),
            log,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    pub(crate) async fn post(&self, text: &str) -> Response {
        self.client
            .post(format!("{}/api/v1/message", self.url))
            .json(&json!({ "message": text }))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn metric(&self, line_start: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(line_start))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    /// Every message of a topic, oldest first, page by page.
    pub(crate) async fn all_texts(&self, topic: &str) -> Vec<String> {
        let all = self.all_messages(topic).await.into_iter();
        all.map(|(_, text)| text).collect()
    }

    /// The ids and the texts of all messages of a topic, in order.
    pub(crate) async fn all_messages(&self, topic: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut next = Some(format!("/api/v1/topics/{topic}/messages?limit=200"));
        while let Some(path) = next {
            let response = self.get(&path).await;
            assert_eq!(response.status(), StatusCode::OK);
            let page: Value = response.json().await.unwrap();
            for message in page["messages"].as_array().unwrap() {
                let text = |name: &str| message[name].as_str().unwrap().to_owned();
                all.push((text("id"), text("message")));
            }
            next = page["next"].as_str().map(ToOwned::to_owned);
        }
        all
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal such as `TERM` or `KILL`.
    pub(crate) async fn signal(&self, signal: &str) {
        send_signal(self.pid(), signal).await;
    }

    /// True if the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("it ends")
            .unwrap()
    }

    /// The number of log lines that contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }
}

/// Sends a signal such as `TERM` or `KILL`.
pub(crate) async fn send_signal(pid: u32, signal: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

async fn ready_url(lines: &mut Lines<BufReader<ChildStdout>>, log: &Log) -> String {
    while let Some(line) = lines.next_line().await.unwrap() {
        log.lock().unwrap().push(line.clone());
        let Ok(event) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if let Some(url) = event["url"].as_str().filter(|_| line.contains("ready")) {
            return url.trim_end_matches('/').to_owned();
        }
    }
    panic!("it ended before it was ready: {:#?}", log.lock().unwrap());
}

async fn keep_log(mut lines: Lines<BufReader<ChildStdout>>, log: Log) {
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().unwrap().push(line);
    }
}
