//! Measures webhooks on the embedded store and on Redis: throughput, the time to the first attempt, the
//! delay beside receivers that hang, and the cost of idle webhooks.

mod calls;
mod hanging;
mod idle;
mod latency;
mod rig;
mod sink;
mod throughput;

use std::path::Path;

use super::options::BenchOptions;
use super::server::{Binaries, ServerKind, ServerLaunch, directory_on_disk};
use crate::{process, programs};
use rig::WebhookBench;

/// Measures and prints everything about webhooks.
pub(super) fn run(
    root: &Path,
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
) -> Result<(), String> {
    programs::ensure_package("redis-server", "redis-server")?;
    let directory = directory_on_disk(root)?;
    println!("\nwebhooks");
    let measure = |name, directory: &Path, store: &str| {
        let launch = ServerLaunch {
            binary: binaries.of(ServerKind::Unlimited),
            workers,
            directory,
            store,
        };
        measure(name, options, &launch)
    };
    let store = format!("file:{}", directory.path().join("webhooks.db").display());
    measure("embedded, synced", directory.path(), &store)?;
    for (name, synced) in [("Redis, in its memory", false), ("Redis, synced", true)] {
        let directory = tempfile::tempdir_in(directory.path()).map_err(|e| e.to_string())?;
        let address = process::free_address()?;
        let redis = if synced {
            process::redis(address, directory.path())
        } else {
            process::redis_in_memory(address, directory.path())
        }?;
        measure(name, directory.path(), &format!("redis://{address}"))?;
        redis.terminate()?;
    }
    Ok(())
}

/// Every case on one server.
fn measure(name: &str, options: &BenchOptions, launch: &ServerLaunch<'_>) -> Result<(), String> {
    let bench = WebhookBench::start(launch, options.seconds)?;
    println!("{name}");
    throughput::run(&bench)?;
    latency::run(&bench)?;
    hanging::run(&bench)?;
    idle::run(&bench)
}
