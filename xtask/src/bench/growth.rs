//! `cargo xtask bench --growth`: what the embedded store costs with more messages, topics and idle streams, and what one
//! shard of Redis and one process do, from which larger installations are predicted.

mod measure;
mod reads;
mod shard;
mod sizes;
mod table;

use std::path::Path;

use super::cases::in_turns;
use super::options::BenchOptions;
use super::server::{Binaries, directory_on_disk};
use crate::{binary, programs};
use sizes::{SIZES, StoreFile};

/// Measures and prints both tables.
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
    let mut rounds = Vec::new();
    let mut shards = Vec::new();
    for number in 1..=options.rounds {
        println!("round {number} of {}", options.rounds);
        rounds.push(in_turns(&SIZES, number % 2 == 0, |size| {
            let file = files.iter().find(|file| file.holds(size));
            let file = file.ok_or("no file has this size")?;
            measure::run(binaries, options, workers, file, size)
        })?);
        shards.push(shard::run(binaries, options, workers, directory)?);
    }
    println!(
        "\nembedded, synced, {workers} workers, {} connections, {} s of accepts, medians of {} rounds\n",
        options.connections, options.seconds, options.rounds
    );
    table::print_sizes(&rounds);
    println!();
    table::print_shard(&shards);
    Ok(())
}
