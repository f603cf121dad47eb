//! `cargo xtask bench --growth`: what each store costs with more messages, topics and idle streams, and what one
//! shard of Redis and one process do, from which larger installations are predicted.

mod fill;
mod measure;
mod reads;
mod shard;
mod sizes;
mod store;
mod table;

use std::path::Path;

use super::cases::in_turns;
use super::options::BenchOptions;
use super::server::{Binaries, directory_on_disk};
use crate::{binary, programs};
use sizes::{SIZES, StoreFile};
use store::{FilledServer, GrownStore};

/// Measures and prints the tables.
///
/// # Errors
/// A request without a successful response, or a server or tool that cannot be started.
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
    let directory = directory.path();
    let mut files: Vec<StoreFile> = Vec::new();
    for size in &SIZES {
        if !files.iter().any(|file| file.holds(size)) {
            files.push(StoreFile::fill(&tool, directory, size)?);
        }
    }
    let mut rounds = GrownStore::ALL.map(|kind| (kind, Vec::new()));
    let mut shards = Vec::new();
    for number in 1..=options.rounds {
        println!("round {number} of {}", options.rounds);
        for (kind, rounds) in &mut rounds {
            rounds.push(in_turns(&SIZES, number % 2 == 0, |size| {
                let own = tempfile::tempdir_in(directory).map_err(|error| error.to_string())?;
                let filled =
                    FilledServer::start(*kind, binaries, workers, &files, size, own.path())?;
                measure::run(&filled, options, size, own.path())
            })?);
        }
        shards.push(shard::run(binaries, options, workers, directory)?);
    }
    for (kind, rounds) in &rounds {
        println!(
            "\n{}, {workers} workers, {} connections, {} s of accepts, medians of {} rounds\n",
            kind.title(),
            options.connections,
            options.seconds,
            options.rounds
        );
        table::print_sizes(rounds);
    }
    println!();
    table::print_shard(&shards);
    Ok(())
}
