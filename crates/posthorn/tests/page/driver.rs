//! `chromedriver` with its Chromium. A start takes seconds of a processor, so that tests use one after another.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::PATIENCE;

/// Ends a driver and its browser, and removes the profile, when the test process ends in whatever way, which closes
/// the input of this shell. The profile is no argument, by which the shell would find itself.
const GUARD: &str = r#"read -r profile; read -r _; kill -9 "$1"
pkill -KILL -f -- "--user-data-dir=$profile"; rm -rf "$profile""#;

/// Starts a Chromium without windows, which needs two thirds of the processor time of one that draws them for
/// nobody. It shows no page by itself, and the driver waits for one.
const SHELL: &str = "#!/bin/sh\nexec chromium-headless-shell \"$@\" about:blank\n";

/// A browser with a profile of its own and one session. Both end when it is dropped.
pub(crate) struct Driver {
    address: String,
    session: String,
    process: Child,
    guard: Child,
    profile: TempDir,
}

impl Driver {
    pub(crate) async fn start(size: (u32, u32)) -> (Self, Client) {
        let profile = TempDir::with_prefix("posthorn-page-").unwrap();
        let shell = profile.path().join("shell");
        std::fs::write(&shell, SHELL).unwrap();
        std::fs::set_permissions(&shell, Permissions::from_mode(0o755)).unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: `cargo xtask setup`");
        let guard = guard(&driver, &profile);
        let port = timeout(PATIENCE, port(&mut driver)).await;
        let port = port.expect("the driver starts in time");
        let mut all = Self {
            address: format!("http://127.0.0.1:{}", port.expect("the driver starts")),
            session: String::new(),
            process: driver,
            guard,
            profile,
        };
        let Value::Object(capabilities) = all.capabilities(size) else {
            unreachable!("it is an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&all.address)
            .await
            .expect("the browser starts");
        // The session outlives the test that began it.
        client.persist().await.unwrap();
        all.session = client.session_id().await.unwrap().expect("a session");
        (all, client)
    }

    fn capabilities(&self, size: (u32, u32)) -> Value {
        let arguments = [
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--accept-lang=en".to_owned(),
            // The tab of the next test takes the process over, with what is compiled in it.
            "--renderer-process-limit=1".to_owned(),
            "--force-prefers-reduced-motion".to_owned(),
            format!("--window-size={},{}", size.0, size.1),
            format!("--user-data-dir={}", self.profile.path().display()),
        ];
        json!({
            "goog:chromeOptions": { "binary": self.profile.path().join("shell"), "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            // An audit takes longer than the default on a busy machine.
            "timeouts": { "script": 120_000 },
        })
    }

    /// A client of the session, on the runtime of this test.
    pub(crate) async fn client(&self) -> Client {
        let session =
            Client::with_existing_session(&self.address, &self.session, HttpConnector::new());
        let client = session.await.expect("the driver responds");
        client.persist().await.unwrap();
        client
    }
}

/// The port that the driver names in its output, which is read to its end.
async fn port(driver: &mut Child) -> Option<String> {
    let output = BufReader::new(driver.stdout.take()?);
    let (found, port) = oneshot::channel();
    std::thread::spawn(move || {
        let mut found = Some(found);
        for line in output.lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim_end_matches('.').to_owned();
                let _ = found.take().map(|found| found.send(port));
            }
        }
    });
    port.await.ok()
}

fn guard(driver: &Child, profile: &TempDir) -> Child {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "guard", &driver.id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("`sh` starts");
    let input = guard.stdin.as_mut().expect("it is a pipe");
    writeln!(input, "{}", profile.path().display()).unwrap();
    guard
}

impl Drop for Driver {
    /// The browser would outlive its driver.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let _ = Command::new("pkill")
            .args(["-KILL", "-f", "--", &profile])
            .status();
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}
