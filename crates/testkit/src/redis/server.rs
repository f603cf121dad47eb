//! One Redis process.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::guard::Guard;
use super::ports::free_port;
use super::resp;
use crate::eventually;

/// How long a server may take to come up or to go down.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many ports are tried, should another process be quicker to take one.
const PORTS: usize = 5;

/// A Redis server of the test's own, on a free port and in a directory of its own.
///
/// It is killed when this is dropped, also when the test panics, and when the test process ends in
/// any other way.
pub struct RedisServer {
    port: u16,
    directory: TempDir,
    launch: Launch,
    running: Option<Running>,
}

/// What kind of server to launch.
pub(super) enum Launch {
    /// A data node with these further arguments.
    Data(Vec<String>),
    /// A sentinel that reads this configuration, less the port.
    Sentinel(String),
}

struct Running {
    server: Child,
    _guard: Guard,
}

impl RedisServer {
    /// Starts a server that keeps everything in memory.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not come up.
    pub async fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// Starts a server that has every write on disk before it answers.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not come up.
    pub async fn start_durable() -> Self {
        Self::start_with(&[
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ])
        .await
    }

    /// Starts a server with these further arguments.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not come up.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        Self::launch(|| Launch::Data(arguments)).await
    }

    pub(super) async fn launch(launch: impl FnOnce() -> Launch) -> Self {
        let directory = TempDir::with_prefix("posthorn-redis-").unwrap();
        let mut server = Self {
            port: 0,
            directory,
            launch: launch(),
            running: None,
        };
        for _ in 0..PORTS {
            server.port = free_port();
            if server.try_start().await.is_ok() {
                return server;
            }
        }
        panic!("redis-server does not come up; its log:\n{}", server.log());
    }

    /// The port it listens on, also while it is stopped.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients find it: `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Where clients find it: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The directory of its files; it stays while the server is stopped.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends one command and gives the leaves of its reply, one a line.
    ///
    /// # Errors
    /// When the server does not answer within five seconds, or answers with an error.
    pub async fn command(&self, words: &[&str]) -> io::Result<String> {
        resp::command(self.port, words).await
    }

    /// Kills it with `SIGKILL`, as a crash would. Does nothing when it is stopped.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Ends it with `SIGTERM` and waits until it is gone. Does nothing when it is stopped.
    ///
    /// # Panics
    /// When it is still there after fifteen seconds.
    pub async fn stop_gracefully(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        running.signal("TERM");
        eventually(PATIENCE, async || running.exited().is_some()).await;
    }

    /// Starts it again on the same port and with the same files.
    ///
    /// # Panics
    /// When it is running, or does not come up.
    pub async fn start_again(&mut self) {
        assert!(self.running.is_none(), "the server is running");
        // Its port may be held for a moment by connections that are closing.
        let end = Instant::now() + PATIENCE;
        while self.try_start().await.is_err() {
            assert!(
                Instant::now() < end,
                "redis-server does not come back:\n{}",
                self.log()
            );
        }
    }

    /// Cuts `bytes` off the end of its append-only file, as a crash within a write would.
    ///
    /// # Panics
    /// When it is running, or has no such file of that length.
    pub fn tear_log(&self, bytes: u64) {
        assert!(self.running.is_none(), "the server is running");
        let folder = std::fs::read_dir(self.directory().join("appendonlydir")).unwrap();
        let last = folder
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .max()
            .expect("it has an append-only file");
        let file = std::fs::File::options().write(true).open(last).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.checked_sub(bytes).expect("it is longer"))
            .unwrap();
    }

    /// Stops its threads with `SIGSTOP`: it accepts connections and answers nothing.
    pub fn pause(&self) {
        self.running().signal("STOP");
    }

    /// Lets it go on after [`RedisServer::pause`].
    pub fn resume(&self) {
        self.running().signal("CONT");
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server is stopped")
    }

    /// What the server wrote to its log.
    fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("redis.log")).unwrap_or_default()
    }

    async fn try_start(&mut self) -> io::Result<()> {
        let mut running = Running::spawn(&mut self.command_line(), self.directory());
        let end = Instant::now() + PATIENCE;
        while !self.is_served_by(&running).await {
            if running.exited().is_some() || Instant::now() > end {
                return Err(io::Error::other("it did not come up"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.running = Some(running);
        Ok(())
    }

    /// Whether the server on the port is ready and the one that was started, not a stranger.
    async fn is_served_by(&self, running: &Running) -> bool {
        let Ok(info) = self.command(&["INFO"]).await else {
            return false;
        };
        info.lines()
            .any(|line| line == format!("process_id:{}", running.server.id()))
            && info.lines().all(|line| line != "loading:1")
    }

    fn command_line(&self) -> Command {
        let mut command = Command::new("redis-server");
        let port = self.port.to_string();
        match &self.launch {
            Launch::Data(arguments) => {
                command.args(["--port", &port]).args(arguments);
            }
            Launch::Sentinel(configuration) => {
                let file = self.directory().join("sentinel.conf");
                std::fs::write(&file, format!("port {port}\n{configuration}")).unwrap();
                command.arg(file).arg("--sentinel");
            }
        }
        command.args(["--bind", "127.0.0.1", "--logfile", "redis.log", "--dir"]);
        command.arg(self.directory());
        command
    }
}

impl Running {
    fn spawn(command: &mut Command, directory: &Path) -> Self {
        let spawned = command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = match spawned {
            Ok(server) => server,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                panic!("redis-server is not on the PATH: `apt-get install redis-server` brings it")
            }
            Err(error) => panic!("redis-server does not start: {error}"),
        };
        let guard = Guard::watch(server.id(), directory);
        Self {
            server,
            _guard: guard,
        }
    }

    fn signal(&self, name: &str) {
        let id = self.server.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "`kill -s {name} {id}` failed"
        );
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.server.try_wait().unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `SIGKILL` also ends a server that is paused.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
