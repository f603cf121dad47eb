//! A server with a store of one size, for one measurement.

use std::path::Path;

use super::fill::{self, Sample};
use super::sizes::{Size, StoreFile};
use crate::bench::resources;
use crate::bench::server::{BenchServer, Binaries, ServerKind, ServerLaunch};
use crate::process::{self, Process};

/// Nothing is pruned and no topic rejected, so that a size stays what it is.
const UNBOUNDED: [(&str, &str); 4] = [
    ("RETENTION_COUNT", "1000000000"),
    ("RETENTION_AGE", "3650d"),
    ("MAX_TOPICS", "1000000"),
    ("MAX_STREAMS", "20000"),
];
/// For a store in memory, which Redis and a file do not have.
const MANY_BYTES: (&str, &str) = ("MAX_STORE_BYTES", "8589934592");

/// The stores that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrownStore {
    Embedded,
    Memory,
    /// With `appendfsync always`.
    Redis,
}

impl GrownStore {
    pub(super) const ALL: [Self; 3] = [Self::Embedded, Self::Memory, Self::Redis];

    /// The title of its table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Embedded => "embedded, synced",
            Self::Memory => "memory",
            Self::Redis => "Redis, synced",
        }
    }
}

/// A server before a filled store.
#[derive(Debug)]
pub(super) struct FilledServer {
    pub(super) server: BenchServer,
    pub(super) sample: Sample,
    /// MiB of the file.
    file: f64,
    redis: Option<Process>,
}

impl FilledServer {
    /// Starts a server on a copy of the filled file of this size, or fills it.
    pub(super) fn start(
        kind: GrownStore,
        binaries: &Binaries,
        workers: usize,
        files: &[StoreFile],
        size: &Size,
        directory: &Path,
    ) -> Result<Self, String> {
        let (mut settings, mut redis, mut file) = (UNBOUNDED.to_vec(), None, None);
        let mut bytes = 0.0;
        let url = match kind {
            GrownStore::Embedded => {
                let found = files.iter().find(|file| file.holds(size));
                let found = found.ok_or("no file has this size")?;
                let path = found.copy(directory)?;
                let length = std::fs::metadata(&path).map_err(|error| error.to_string())?;
                bytes = mebibytes(length.len());
                file = Some(found);
                format!("file:{}", path.display())
            }
            GrownStore::Memory => {
                settings.push(MANY_BYTES);
                "memory:".to_owned()
            }
            GrownStore::Redis => {
                let address = process::free_address()?;
                redis = Some(process::redis(address, directory)?);
                format!("redis://{address}")
            }
        };
        let launch = ServerLaunch {
            binary: binaries.of(ServerKind::Posthorn),
            workers,
            directory,
            store: &url,
        };
        let server = BenchServer::start_with(ServerKind::Posthorn, &launch, &settings)?;
        let sample = match file {
            Some(file) => file.sample.clone(),
            None => fill::run(server.address, size)?,
        };
        Ok(Self {
            server,
            sample,
            file: bytes,
            redis,
        })
    }

    /// The CPU time of Redis so far, in seconds.
    pub(super) fn redis_seconds(&self) -> Result<f64, String> {
        let seconds = |redis: &Process| resources::processor_seconds(redis.id());
        self.redis.as_ref().map_or(Ok(0.0), seconds)
    }

    /// MiB of the file or of Redis; 0 for a store in the memory of the server.
    pub(super) fn stored(&self) -> Result<f64, String> {
        let resident = |redis: &Process| resources::resident_mib(redis.id());
        self.redis.as_ref().map_or(Ok(self.file), resident)
    }
}

fn mebibytes(bytes: u64) -> f64 {
    // Files of a bench are far below the size from which this would be inexact.
    u32::try_from(bytes >> 10).map_or(f64::INFINITY, f64::from) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_mebibytes() {
        assert!((mebibytes(3 << 20) - 3.0).abs() < 1e-9);
    }
}
