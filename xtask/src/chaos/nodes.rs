//! A process of Redis that starts again at its address and with its files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::process::Process;
use crate::shell::output;

/// The arguments of a server of data that syncs every write, and whose replicas copy it at once.
pub(super) const SYNCED: [&str; 8] = [
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--repl-diskless-sync-delay",
    "0",
];

/// The process, or what is left of it while it is down.
pub(super) struct ReplicationNode {
    pub(super) address: SocketAddr,
    directory: PathBuf,
    arguments: Vec<String>,
    running: Option<Process>,
}

impl ReplicationNode {
    /// Starts `redis-server` with `arguments` and its files in `directory`.
    pub(super) fn start(
        address: SocketAddr,
        directory: PathBuf,
        arguments: Vec<String>,
    ) -> Result<Self, String> {
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let mut node = Self {
            address,
            directory,
            arguments,
            running: None,
        };
        node.launch()?;
        Ok(node)
    }

    /// Starts the process again.
    pub(super) fn launch(&mut self) -> Result<(), String> {
        let mut command = Command::new("redis-server");
        command.args(&self.arguments);
        command.args([
            "--bind",
            "127.0.0.1",
            "--port",
            &self.address.port().to_string(),
        ]);
        command.arg("--dir").arg(&self.directory);
        let log = self.directory.join("redis.log");
        let address = self.address;
        let mut running = Process::start("redis", &mut command, &log)?;
        running.wait_for(|| std::net::TcpStream::connect(address).is_ok())?;
        self.running = Some(running);
        Ok(())
    }

    /// Kills the process.
    pub(super) fn kill(&mut self) {
        self.running = None;
    }

    /// False after [`Self::kill`].
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Sends one command and returns the leaves of its reply, one per line.
    pub(super) fn call(&self, command: &[&str]) -> Result<String, String> {
        let port = self.address.port().to_string();
        let mut cli = Command::new("redis-cli");
        output(cli.args(["-p", &port]).args(command))
    }
}
