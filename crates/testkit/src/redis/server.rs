//! A Redis process.

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

/// The time limit for a server to start or to end.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// The directory of the append-only files in that of the server.
const LOGS: &str = "appendonlydir";
/// The number of ports to try, because another process may use one first.
const PORTS: usize = 5;

/// A Redis server for one test, on a free port and in a directory of its own.
///
/// It is killed when this value is dropped, also when the test panics, and when the test process ends in
/// any other way.
pub struct RedisServer {
    port: u16,
    directory: TempDir,
    launch: Launch,
    running: Option<RedisProcess>,
}

/// The kind of server to start.
pub(super) enum Launch {
    /// A data node with these further arguments.
    Data(Vec<String>),
    /// A Sentinel with this configuration without the port.
    Sentinel(String),
}

struct RedisProcess {
    server: Child,
    _guard: Guard,
}

impl RedisServer {
    /// Starts a server without persistence.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not start.
    pub async fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// Starts a server that syncs every write to disk before its reply.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not start.
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
    /// When `redis-server` is missing or does not start.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        Self::launch(|| Launch::Data(arguments)).await
    }

    /// Starts a server without persistence that holds the data of an RDB file.
    ///
    /// # Panics
    /// When `redis-server` is missing or does not load the file.
    pub async fn start_from_dump(dump: &[u8]) -> Self {
        let directory = TempDir::with_prefix("posthorn-redis-").unwrap();
        std::fs::write(directory.path().join("dump.rdb"), dump).unwrap();
        let arguments = ["--save", "", "--appendonly", "no"].map(str::to_owned);
        Self::launch_in(directory, Launch::Data(arguments.into())).await
    }

    pub(super) async fn launch(launch: impl FnOnce() -> Launch) -> Self {
        let directory = TempDir::with_prefix("posthorn-redis-").unwrap();
        Self::launch_in(directory, launch()).await
    }

    async fn launch_in(directory: TempDir, launch: Launch) -> Self {
        let mut server = Self {
            port: 0,
            directory,
            launch,
            running: None,
        };
        for _ in 0..PORTS {
            server.port = free_port();
            if server.try_start().await.is_ok() {
                return server;
            }
        }
        panic!("redis-server does not start; its log:\n{}", server.log());
    }

    /// Its port, also while it is stopped.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL: `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Its address: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The directory of its files, also while it is stopped.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends one command and returns the leaves of its reply, one per line.
    ///
    /// # Errors
    /// When the server does not reply within five seconds, or replies with an error.
    pub async fn command(&self, words: &[&str]) -> io::Result<String> {
        resp::command(self.port, words).await
    }

    /// Whether it is a replica. A Sentinel that changes this closes every connection, so the command
    /// is repeated until it gets a reply.
    ///
    /// # Panics
    /// When it gets no reply in fifteen seconds.
    pub async fn is_replica(&self) -> bool {
        let mut role = None;
        eventually(TIME_LIMIT, async || {
            role = self.command(&["ROLE"]).await.ok();
            role.is_some()
        })
        .await;
        role.is_some_and(|role| role.starts_with("slave"))
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
        eventually(TIME_LIMIT, async || running.exited().is_some()).await;
    }

    /// Starts it again on the same port and with the same files.
    ///
    /// # Panics
    /// When it is running, or does not start.
    pub async fn start_again(&mut self) {
        assert!(self.running.is_none(), "the server is running");
        // Connections that are closing can occupy its port for a moment.
        let end = Instant::now() + TIME_LIMIT;
        while self.try_start().await.is_err() {
            assert!(
                Instant::now() < end,
                "redis-server does not come back:\n{}",
                self.log()
            );
        }
    }

    /// Starts another server with a copy of its append-only files, the newest truncated by `bytes`, as a crash within a
    /// write would.
    ///
    /// # Panics
    /// When it is running or a Sentinel, or has no such file of that length, or the other does not start.
    pub async fn torn_copy(&self, bytes: u64) -> Self {
        assert!(self.running.is_none(), "the server is running");
        let Launch::Data(arguments) = &self.launch else {
            panic!("a Sentinel has no append-only file");
        };
        let copy = TempDir::with_prefix("posthorn-redis-").unwrap();
        let logs = copy.path().join(LOGS);
        std::fs::create_dir(&logs).unwrap();
        for file in std::fs::read_dir(self.directory().join(LOGS)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), logs.join(file.file_name())).unwrap();
        }
        tear(&logs, bytes);
        Self::launch_in(copy, Launch::Data(arguments.clone())).await
    }

    /// Stops its threads with `SIGSTOP`: it accepts connections and never replies.
    pub fn pause(&self) {
        self.running().signal("STOP");
    }

    /// Continues it after [`RedisServer::pause`].
    pub fn resume(&self) {
        self.running().signal("CONT");
    }

    fn running(&self) -> &RedisProcess {
        self.running.as_ref().expect("the server is stopped")
    }

    /// The text of its log.
    fn log(&self) -> String {
        std::fs::read_to_string(self.directory().join("redis.log")).unwrap_or_default()
    }

    async fn try_start(&mut self) -> io::Result<()> {
        let mut running = RedisProcess::spawn(&mut self.command_line(), self.directory());
        let end = Instant::now() + TIME_LIMIT;
        while !self.is_served_by(&running).await {
            if running.exited().is_some() || Instant::now() > end {
                return Err(io::Error::other("it did not come up"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.running = Some(running);
        Ok(())
    }

    /// True if the server on the port is ready and is the one that was started.
    async fn is_served_by(&self, running: &RedisProcess) -> bool {
        let id = format!("process_id:{}", running.server.id());
        let is_running = self.command(&["INFO", "server"]).await;
        let is_loaded = self.command(&["INFO", "persistence"]).await;
        is_running.is_ok_and(|info| info.lines().any(|line| line == id))
            && is_loaded.is_ok_and(|info| info.lines().all(|line| line != "loading:1"))
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

/// Truncates the newest append-only file in `logs` by `bytes`.
fn tear(logs: &Path, bytes: u64) {
    let last = std::fs::read_dir(logs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .max()
        .expect("it has an append-only file");
    let file = std::fs::File::options().write(true).open(last).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.checked_sub(bytes).expect("it is longer"))
        .unwrap();
}

impl RedisProcess {
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

impl Drop for RedisProcess {
    fn drop(&mut self) {
        // `SIGKILL` also ends a server that is paused.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
