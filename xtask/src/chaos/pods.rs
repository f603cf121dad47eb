//! The servers of a run, each of which starts again at its address.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::random::Random;
use crate::http_client::HttpClient;
use crate::process::Process;

/// The ports of servers are below those that Linux assigns to clients: else a client that retries could
/// occupy the port of a server that is down.
const FIRST_PORT: u64 = 20_000;
const LAST_PORT: u64 = 29_999;

/// A server of Posthorn.
#[derive(Debug)]
pub(super) struct ChaosPod {
    pub(super) address: SocketAddr,
    binary: PathBuf,
    directory: PathBuf,
    environment: Vec<(&'static str, String)>,
    running: Option<Process>,
}

impl ChaosPod {
    /// Starts a server and waits until it is ready.
    pub(super) fn start(
        binary: &Path,
        directory: &Path,
        environment: Vec<(&'static str, String)>,
        random: &mut Random,
    ) -> Result<Self, String> {
        let mut pod = Self {
            address: stable_address(random)?,
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            environment,
            running: None,
        };
        pod.launch()?;
        pod.wait_until_ready()?;
        Ok(pod)
    }

    /// Kills the server with SIGKILL.
    pub(super) fn kill(&mut self) {
        self.running = None;
    }

    /// Starts the server again.
    pub(super) fn launch(&mut self) -> Result<(), String> {
        let mut command = Command::new(&self.binary);
        command.env_clear().current_dir(&self.directory);
        command.envs([
            ("PORT", self.address.port().to_string().as_str()),
            ("LOG_LEVEL", "info"),
            ("WORKERS", "2"),
            // All load comes from one address, which quotas would hold back.
            ("RATE_LIMIT_ENABLED", "false"),
            ("FLOOD_PER_SECOND", "0"),
        ]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let log = self.directory.join("posthorn.log");
        self.running = Some(Process::start("posthorn", &mut command, &log)?);
        Ok(())
    }

    /// The most memory that the process has had at once, in bytes.
    pub(super) fn peak_memory(&self) -> Result<u64, String> {
        let running = self.running.as_ref().ok_or("the server is not running")?;
        let path = format!("/proc/{}/status", running.id());
        let status = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let mut lines = status.lines();
        let peak = lines.find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = peak.and_then(|text| text.split_whitespace().next()?.parse().ok());
        let kibibytes: u64 = kibibytes.ok_or("the server has ended")?;
        Ok(kibibytes << 10)
    }

    /// Waits until the server is ready.
    pub(super) fn wait_until_ready(&mut self) -> Result<(), String> {
        let address = self.address;
        let ready = || {
            let response = HttpClient::new(address).get("/health/ready");
            response.is_ok_and(|response| response.status == 200)
        };
        let running = self.running.as_mut().ok_or("the server is not running")?;
        running.wait_for(ready)
    }
}

/// A free loopback address that no client gets.
pub(super) fn stable_address(random: &mut Random) -> Result<SocketAddr, String> {
    for _ in 0..100 {
        let port = u16::try_from(random.between(FIRST_PORT, LAST_PORT)).unwrap_or_default();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().map_err(|error| error.to_string());
        }
    }
    Err("no port is free".to_owned())
}
