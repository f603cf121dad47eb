//! Measures consumers on the embedded store and on Redis: throughput, latency, the first hand-out, the cost
//! by the number of waiting messages, the cost for accepting, and waiting pulls. Beside it: NATS `JetStream`.

mod accepting;
mod calls;
mod cost;
mod latency;
mod nats;
mod targets;
mod throughput;
mod topic;
mod waiting;

use std::path::Path;

use super::options::BenchOptions;
use super::server::{BenchServer, Binaries, ServerKind, ServerLaunch, directory_on_disk};
use crate::{binary, process, programs};
use targets::{LEAST_EMBEDDED, LEAST_REDIS, STORED, WORKERS};
use topic::WorkTopic;

/// Measures and prints everything about consumers.
pub(super) fn run(
    root: &Path,
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
) -> Result<(), String> {
    programs::ensure_package("redis-server", "redis-server")?;
    programs::ensure_package("redis-cli", "redis-tools")?;
    let built = binary::dist(root, "posthorn-embedded", ["--example", "fill"])?;
    let tool = built.join("examples").join("fill");
    let directory = directory_on_disk(root)?;
    println!("\nconsumers, {WORKERS} workers, {STORED} messages");
    embedded(binaries, options, workers, directory.path(), &tool)?;
    redis(binaries, options, workers, directory.path())?;
    nats::run(directory.path(), options.seconds)
}

fn embedded(
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    directory: &Path,
    tool: &Path,
) -> Result<(), String> {
    let file = directory.join("consumers.db");
    topic::fill_file(tool, &file, STORED)?;
    let store = format!("file:{}", file.display());
    let server = start(binaries, workers, directory, &store)?;
    measure(
        "embedded, synced",
        &server,
        options,
        LEAST_EMBEDDED,
        directory,
    )
}

fn redis(
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    directory: &Path,
) -> Result<(), String> {
    for (name, synced) in [("Redis, in its memory", false), ("Redis, synced", true)] {
        let directory = tempfile::tempdir_in(directory).map_err(|e| e.to_string())?;
        let address = process::free_address()?;
        let redis = if synced {
            process::redis(address, directory.path())
        } else {
            process::redis_in_memory(address, directory.path())
        }?;
        topic::fill_redis(address, STORED)?;
        let store = format!("redis://{address}");
        let server = start(binaries, workers, directory.path(), &store)?;
        measure(name, &server, options, LEAST_REDIS, directory.path())?;
        drop(server);
        redis.terminate()?;
    }
    Ok(())
}

fn start(
    binaries: &Binaries,
    workers: usize,
    directory: &Path,
    store: &str,
) -> Result<BenchServer, String> {
    let launch = ServerLaunch {
        binary: binaries.of(ServerKind::Unlimited),
        workers,
        directory,
        store,
    };
    BenchServer::start(ServerKind::Unlimited, &launch)
}

/// Every case on one server, whose topic `inbox` is filled.
fn measure(
    name: &str,
    server: &BenchServer,
    options: &BenchOptions,
    least: f64,
    directory: &Path,
) -> Result<(), String> {
    let filled = WorkTopic::new(server.address, "inbox");
    println!("{name}");
    cost::run(&filled)?;
    throughput::run(server, &filled, options.seconds, least)?;
    latency::run(&filled, options.seconds, least / 4.0)?;
    latency::first_hand_out(&WorkTopic::new(server.address, "first"))?;
    accepting::run(server, options.seconds, directory)?;
    waiting::run(server, &WorkTopic::new(server.address, "waiting"))
}
