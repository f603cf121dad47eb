//! Servers that a check starts, waits for and stops. Each is killed when its `Process` is dropped.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The longest time for a server to start or to stop.
const TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
const LONGEST_TURN: Duration = Duration::from_secs(5);

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

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `is_up` returns true.
    ///
    /// # Errors
    /// The process has ended, or a minute has passed.
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

    /// Sends SIGTERM and returns the exit status.
    pub(crate) fn terminate(mut self) -> Result<ExitStatus, String> {
        // The shell's own `kill`: the program of that name is not everywhere.
        let kill = format!("kill -TERM {}", self.child.id());
        crate::shell::output(Command::new("sh").args(["-c", &kill]))?;
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
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// Starts a Redis that syncs every write to a file below `directory`.
pub(crate) fn redis(address: SocketAddr, directory: &Path) -> Result<Process, String> {
    redis_with(address, directory, &[])
}

/// As [`redis`], with variables in its environment.
pub(crate) fn redis_with(
    address: SocketAddr,
    directory: &Path,
    environment: &[(&str, String)],
) -> Result<Process, String> {
    let synced = ["--appendonly", "yes", "--appendfsync", "always"];
    start_redis(address, directory, &synced, environment)
}

/// Starts a Redis that keeps its data in memory, with its log below `directory`.
pub(crate) fn redis_in_memory(address: SocketAddr, directory: &Path) -> Result<Process, String> {
    start_redis(address, directory, &["--appendonly", "no"], &[])
}

fn start_redis(
    address: SocketAddr,
    directory: &Path,
    durability: &[&str],
    environment: &[(&str, String)],
) -> Result<Process, String> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port"]);
    command.arg(address.port().to_string());
    command.args(durability).arg("--dir").arg(directory);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let log = directory.join("redis.log");
    let mut redis = Process::start("redis", &mut command, &log)?;
    redis.wait_for(|| std::net::TcpStream::connect(address).is_ok())?;
    Ok(redis)
}

/// Polls until `done` returns true. False if it has not within a minute.
pub(crate) fn poll(done: impl FnMut() -> bool) -> bool {
    poll_for(TIMEOUT, done)
}

/// Polls until `done` returns true. False if it has not within `timeout`. A turn counts as five seconds at most:
/// a machine that is suspended, or runs something else, must not fail the check.
#[expect(clippy::disallowed_methods, reason = "real servers run on real time")]
pub(crate) fn poll_for(timeout: Duration, mut done: impl FnMut() -> bool) -> bool {
    let mut waited = Duration::ZERO;
    loop {
        let start = Instant::now();
        if done() {
            return true;
        }
        if waited > timeout {
            return false;
        }
        std::thread::sleep(POLL);
        waited += start.elapsed().min(LONGEST_TURN);
    }
}
