//! What one shard of Redis and one process do for each append: the figures from which larger installations are
//! predicted.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::bench::cases::{MESSAGE_PATH, TEXT};
use crate::bench::options::BenchOptions;
use crate::bench::resources;
use crate::bench::server::{BenchServer, Binaries, ServerKind, ServerLaunch};
use crate::bench::wrk::WrkLoad;
use crate::process;
use crate::shell::capture;

/// The figures of one round, with `appendfsync always`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneShard {
    /// Appends a second.
    pub(super) rate: f64,
    /// CPU time of the process for each append, in microseconds.
    pub(super) server_micros: f64,
    /// CPU time of Redis for each append, in microseconds.
    pub(super) redis_micros: f64,
    /// Appends of one pipeline, which syncs and announces once.
    pub(super) pipeline: f64,
}

/// Loads one process with one Redis.
pub(super) fn run(
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    directory: &Path,
) -> Result<OneShard, String> {
    let directory = tempfile::tempdir_in(directory).map_err(|error| error.to_string())?;
    let address = process::free_address()?;
    let redis = process::redis(address, directory.path())?;
    let store = format!("redis://{address}");
    let launch = ServerLaunch {
        binary: binaries.of(ServerKind::Posthorn),
        workers,
        directory: directory.path(),
        store: &store,
    };
    let server = BenchServer::start(ServerKind::Posthorn, &launch)?;
    let load = WrkLoad {
        connections: options.connections,
        duration: Duration::from_secs(options.seconds),
        directory: directory.path(),
    };
    let before = resources::processor_seconds(redis.id())?;
    let calls = published(address)?;
    let accepts = server.measured(|| load.run(server.address, MESSAGE_PATH, Some(TEXT)))?;
    let used = resources::processor_seconds(redis.id())? - before;
    let pipelines = published(address)? - calls;
    if accepts.failed > 0.0 {
        return Err(format!("{} requests failed", accepts.failed));
    }
    let appends = accepts.rate * load.duration.as_secs_f64();
    drop(server);
    redis.terminate()?;
    Ok(OneShard {
        rate: accepts.rate,
        server_micros: accepts.processor_micros,
        redis_micros: used * 1e6 / appends.max(1.0),
        pipeline: appends / pipelines.max(1.0),
    })
}

/// How often PUBLISH was called: once for each pipeline with new messages.
fn published(address: SocketAddr) -> Result<f64, String> {
    let port = address.port().to_string();
    let printed = capture(Command::new("redis-cli").args(["-p", &port, "INFO", "commandstats"]))?;
    Ok(calls(&printed, "publish"))
}

/// The calls of a command; 0 if it was never called.
fn calls(printed: &str, command: &str) -> f64 {
    let start = format!("cmdstat_{command}:calls=");
    let line = printed.lines().find_map(|line| line.strip_prefix(&start));
    let number = line.and_then(|line| line.split(',').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_command() {
        let printed = "# Commandstats\r\ncmdstat_publish:calls=12,usec=3,usec_per_call=0.25\r\n";
        assert!((calls(printed, "publish") - 12.0).abs() < 1e-9);
        assert!(calls(printed, "xadd").abs() < 1e-9);
    }
}
