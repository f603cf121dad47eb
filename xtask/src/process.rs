//! Servers that a check starts, waits for and stops; none outlives its check.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The longest that a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// A running server; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command`, whose output goes to `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let file = std::fs::File::options().create(true).append(true).open(log);
        let out = file.map_err(|error| format!("{}: {error}", log.display()))?;
        let err = out.try_clone().map_err(|error| error.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Its number at the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_up` says so; fails when the process ends before.
    pub(crate) fn wait_for(&mut self, mut is_up: impl FnMut() -> bool) -> Result<(), String> {
        let child = &mut self.child;
        let mut ended = false;
        let up = poll(|| {
            ended = child.try_wait().is_ok_and(|status| status.is_some());
            ended || is_up()
        });
        match (up, ended) {
            (true, false) => Ok(()),
            (_, true) => Err(format!("{} ended before it was up", self.name)),
            (false, false) => Err(format!("{} was not up in time", self.name)),
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> Result<ExitStatus, String> {
        // The shell's own `kill`: the program of that name is not everywhere.
        let kill = format!("kill -TERM {}", self.child.id());
        crate::manifests::run(Command::new("sh").args(["-c", &kill]))?;
        let mut status = None;
        poll(|| {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        status.ok_or_else(|| format!("{} did not stop", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is to be done about a process that has already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// Starts a Redis that keeps every write on disk, below `directory`.
pub(crate) fn redis(address: SocketAddr, directory: &Path) -> Result<Process, String> {
    let mut command = Command::new("redis-server");
    command
        .arg("--port")
        .arg(address.port().to_string())
        .args(["--bind", "127.0.0.1"]);
    command.args([
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--dir",
    ]);
    let mut redis = Process::start(
        "redis",
        command.arg(directory),
        &directory.join("redis.log"),
    )?;
    redis.wait_for(|| std::net::TcpStream::connect(address).is_ok())?;
    Ok(redis)
}

/// Asks until `done` or until patience ends; says which.
#[expect(clippy::disallowed_methods, reason = "real servers run on real time")]
pub(crate) fn poll(mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if done() {
            return true;
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(POLL);
    }
}
