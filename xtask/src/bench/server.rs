//! The measured servers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::figures::Figures;
use super::resources;
use super::wrk::LoadFigures;
use crate::binary;
use crate::http_client::HttpClient;
use crate::process::{self, Process};

/// The longest time to readiness.
const PATIENCE: Duration = Duration::from_secs(30);
/// Limits that no load reaches, with as many windows as the defaults.
const NEVER_REACHED: &str = "1000000000 per minute";
const NEVER_REACHED_TWICE: &str = "1000000000 per day;1000000000 per hour";
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef";
const POLL: Duration = Duration::from_millis(1);

/// The servers that the bench starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerKind {
    /// Posthorn with quotas that are never reached.
    Posthorn,
    /// Posthorn without quotas.
    Unlimited,
    /// `bench-baseline`, which stores nothing.
    Bare,
    /// `bench-baseline` with the engine of the embedded store.
    BareSynced,
}

/// The paths of the measured binaries.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) posthorn: PathBuf,
    pub(super) baseline: PathBuf,
}

impl Binaries {
    /// Builds both in the profile of images.
    pub(super) fn build(root: &Path) -> Result<Self, String> {
        let built = |package, name| {
            let directory = binary::dist(root, package, ["--bin", name])?;
            Ok::<_, String>(directory.join(name))
        };
        Ok(Self {
            posthorn: built("posthorn", "posthorn")?,
            baseline: built("posthorn-bench-baseline", "bench-baseline")?,
        })
    }

    /// The binary of a kind of server.
    pub(super) fn of(&self, kind: ServerKind) -> &Path {
        match kind {
            ServerKind::Posthorn | ServerKind::Unlimited => &self.posthorn,
            ServerKind::Bare | ServerKind::BareSynced => &self.baseline,
        }
    }
}

/// A directory for logs and stores on the disk of the build: the system's directory for temporary files may be in memory.
pub(super) fn directory_on_disk(root: &Path) -> Result<TempDir, String> {
    tempfile::tempdir_in(root.join("target")).map_err(|error| error.to_string())
}

/// How a server is started.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerLaunch<'a> {
    pub(super) binary: &'a Path,
    pub(super) workers: usize,
    /// The directory of its log and its embedded store.
    pub(super) directory: &'a Path,
    /// Its `STORE_URL`.
    pub(super) store: &'a str,
}

/// A running server.
#[derive(Debug)]
pub(super) struct BenchServer {
    pub(super) address: SocketAddr,
    /// The time from its start to the first response that reports it as ready.
    pub(super) ready: Duration,
    process: Process,
    log: PathBuf,
}

impl BenchServer {
    /// Starts a server, and polls its readiness each millisecond.
    pub(super) fn start(kind: ServerKind, launch: &ServerLaunch<'_>) -> Result<Self, String> {
        Self::start_with(kind, launch, &[])
    }

    /// As [`BenchServer::start`], with further settings.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    pub(super) fn start_with(
        kind: ServerKind,
        launch: &ServerLaunch<'_>,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let address = process::free_address()?;
        let (name, counted) = match kind {
            ServerKind::Posthorn => ("posthorn", "true"),
            ServerKind::Unlimited => ("unlimited", "false"),
            ServerKind::Bare => ("bare", "false"),
            ServerKind::BareSynced => ("bare-synced", "false"),
        };
        let mut command = Command::new(launch.binary);
        command.env_clear().current_dir(launch.directory).envs([
            ("PORT", address.port().to_string().as_str()),
            ("WORKERS", &launch.workers.to_string()),
            ("STORE_URL", launch.store),
            ("LOG_FORMAT", "bunyan"),
            ("LOG_LEVEL", "info"),
            // The load comes from one address: it is counted, and never limited.
            ("RATE_LIMIT_ENABLED", counted),
            ("RATE_LIMIT_MESSAGE", NEVER_REACHED),
            ("RATE_LIMIT_READ", NEVER_REACHED),
            ("RATE_LIMIT_DEFAULT", NEVER_REACHED_TWICE),
            ("FLOOD_PER_SECOND", "0"),
            // Webhooks need a key that lasts, and their receiver is on this machine.
            ("SECRET_KEY", SECRET_KEY),
            ("WEBHOOK_ALLOW_CIDRS", "127.0.0.1"),
            ("MAX_CONNECTIONS_PER_CLIENT", "0"),
        ]);
        command.envs(settings.iter().copied());
        if kind == ServerKind::BareSynced {
            command.env("DATABASE", launch.directory.join("bare.db"));
        }
        let start = Instant::now();
        let log = launch
            .directory
            .join(format!("{name}-{}.log", address.port()));
        let process = Process::start(name, &mut command, &log)?;
        while !HttpClient::new(address)
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

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its CPU time so far, in seconds.
    pub(super) fn processor_seconds(&self) -> Result<f64, String> {
        resources::processor_seconds(self.process.id())
    }

    /// Its resident memory in MiB.
    pub(super) fn resident(&self) -> Result<f64, String> {
        resources::resident_mib(self.process.id())
    }

    /// Runs `load`, and adds the CPU time that the server spent on it. The log is truncated afterwards,
    /// since its write-back to the disk would fall into the next case.
    pub(super) fn measured(
        &self,
        load: impl FnOnce() -> Result<LoadFigures, String>,
    ) -> Result<Figures, String> {
        let before = resources::processor_seconds(self.process.id())?;
        let figures = load()?;
        let used = resources::processor_seconds(self.process.id())? - before;
        let log = std::fs::File::options().write(true).open(&self.log);
        log.and_then(|log| log.set_len(0))
            .map_err(|error| format!("{}: {error}", self.log.display()))?;
        Ok(Figures {
            rate: figures.rate,
            p50: figures.p50,
            p99: figures.p99,
            processor_micros: used * 1e6 / figures.requests.max(1.0),
            failed: figures.failed,
        })
    }
}
