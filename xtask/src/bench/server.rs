//! A server under measurement.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::resources;
use super::table::Figures;
use super::wrk::Answers;
use crate::http_client::Connection;
use crate::process::{self, Process};

/// The longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limits that no load reaches, with as many windows as the defaults have.
const NEVER_REACHED: &str = "1000000000 per minute";
const NEVER_REACHED_TWICE: &str = "1000000000 per day;1000000000 per hour";
const POLL: Duration = Duration::from_millis(1);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With quotas that are never reached.
    Posthorn,
    /// Without quotas.
    Unlimited,
    /// The bench-baseline, which stores nothing.
    Bare,
    /// The bench-baseline with the engine of the embedded store.
    BareSynced,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// From its execution to the first answer that says it is ready.
    pub(super) ready: Duration,
    process: Process,
    log: PathBuf,
}

impl Server {
    /// Starts it on `store` with its log in `directory`, and asks each millisecond whether it is ready.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is real time that is measured"
    )]
    pub(super) fn start(
        root: &Path,
        kind: Kind,
        workers: usize,
        directory: &Path,
        store: &str,
    ) -> Result<Self, String> {
        let address = process::free_address()?;
        let (name, path) = match kind {
            Kind::Posthorn => ("posthorn", "target/release/posthorn"),
            Kind::Unlimited => ("unlimited", "target/release/posthorn"),
            Kind::Bare => ("bare", "target/release/bench-baseline"),
            Kind::BareSynced => ("bare-synced", "target/release/bench-baseline"),
        };
        let counted = if kind == Kind::Posthorn {
            "true"
        } else {
            "false"
        };
        let mut command = Command::new(root.join(path));
        command.env_clear().current_dir(directory).envs([
            ("PORT", address.port().to_string().as_str()),
            ("WORKERS", &workers.to_string()),
            ("STORE_URL", store),
            ("LOG_FORMAT", "bunyan"),
            ("LOG_LEVEL", "info"),
            // The load comes from one address: it is counted, and never held back.
            ("RATE_LIMIT_ENABLED", counted),
            ("RATE_LIMIT_MESSAGE", NEVER_REACHED),
            ("RATE_LIMIT_READ", NEVER_REACHED),
            ("RATE_LIMIT_DEFAULT", NEVER_REACHED_TWICE),
            ("FLOOD_PER_SECOND", "0"),
        ]);
        if kind == Kind::BareSynced {
            command.env("DATABASE", directory.join("bare.db"));
        }
        let start = Instant::now();
        let log = directory.join(name);
        let process = Process::start(name, &mut command, &log)?;
        while !Connection::new(address)
            .get("/health/ready")
            .is_ok_and(|a| a.status == 200)
        {
            if start.elapsed() > PATIENCE {
                return Err(format!("{name} was not ready in {PATIENCE:?}"));
            }
            std::thread::sleep(POLL);
        }
        Ok(Self {
            address,
            ready: start.elapsed(),
            process,
            log,
        })
    }

    /// Its resident memory in MiB.
    pub(super) fn resident(&self) -> Result<f64, String> {
        resources::resident_mib(self.process.id())
    }

    /// Runs `load`, and adds what it cost the server. Its log is emptied then: what the system would
    /// still have to bring to the disk would fall on the next case.
    pub(super) fn measured(
        &self,
        load: impl FnOnce() -> Result<Answers, String>,
    ) -> Result<Figures, String> {
        let before = resources::processor_seconds(self.process.id())?;
        let answers = load()?;
        let used = resources::processor_seconds(self.process.id())? - before;
        let log = std::fs::File::options().write(true).open(&self.log);
        log.and_then(|log| log.set_len(0))
            .map_err(|error| format!("{}: {error}", self.log.display()))?;
        Ok(Figures {
            rate: answers.rate,
            p50: answers.p50,
            p99: answers.p99,
            processor_micros: used * 1e6 / answers.requests.max(1.0),
            failed: answers.failed,
        })
    }
}
