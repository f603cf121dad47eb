//! Prints the medians of the rounds.

use super::measure::Grown;
use super::shard::OneShard;
use super::sizes::SIZES;
use crate::bench::figures::median;

/// The shards of the installation that is predicted.
const SHARDS: f64 = 100.0;
/// The most appends of a pipeline.
const FULL_PIPELINE: f64 = 256.0;

/// Prints a line for each size.
pub(super) fn print_sizes(rounds: &[Vec<Grown>]) {
    println!(
        "{:20} {:>9} {:>7} {:>8} {:>7} {:>8} {:>8} {:>12} {:>9} {:>8} {:>8}",
        "",
        "accepts/s",
        "CPU us",
        "Redis us",
        "p99 ms",
        "page ms",
        "GET ms",
        "new topic ms",
        "resident",
        "stored",
        "ready ms"
    );
    for (index, size) in SIZES.iter().enumerate() {
        let of = |figure: fn(&Grown) -> f64| {
            let found = rounds.iter().filter_map(|round| round.get(index));
            median(found.map(figure).collect())
        };
        println!(
            "{:20} {:>9.0} {:>7.1} {:>8.1} {:>7.2} {:>8.3} {:>8.3} {:>12.3} {:>5.1} MiB {:>4.0} MiB {:>8.1}",
            size.name,
            of(|one| one.rate),
            of(|one| one.micros),
            of(|one| one.redis_micros),
            of(|one| one.p99),
            of(|one| one.page),
            of(|one| one.message),
            of(|one| one.first),
            of(|one| one.resident),
            of(|one| one.stored),
            of(|one| one.ready),
        );
    }
}

/// Prints what one shard and one process do, and what follows for many.
pub(super) fn print_shard(rounds: &[OneShard]) {
    let of = |figure: fn(&OneShard) -> f64| median(rounds.iter().map(figure).collect());
    let shard = OneShard {
        rate: of(|one| one.rate),
        server_micros: of(|one| one.server_micros),
        redis_micros: of(|one| one.redis_micros),
        pipeline: of(|one| one.pipeline),
    };
    println!(
        "one process and one Redis, synced: {:.0} appends/s, {:.1} us CPU of the process and {:.1} us of Redis for \
         each, {:.1} appends for each pipeline",
        shard.rate, shard.server_micros, shard.redis_micros, shard.pipeline
    );
    println!(
        "predicted, not measured: {SHARDS} shards do {:.0} appends/s, if each has a core of its own and they are loaded \
         evenly; the processes need {:.0} cores",
        predicted_rate(&shard),
        predicted_rate(&shard) * shard.server_micros / 1e6,
    );
}

/// A shard is one thread: it does as many appends as fit into a second of CPU time, and no more than full pipelines
/// bring at the measured rate of pipelines, each of which waits for a sync.
fn predicted_rate(shard: &OneShard) -> f64 {
    let by_cpu = 1e6 / shard.redis_micros;
    let by_syncs = shard.rate / shard.pipeline * FULL_PIPELINE;
    SHARDS * by_cpu.min(by_syncs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_bounded_by_their_cpu_time_and_by_their_syncs() {
        let shard = |pipeline| OneShard {
            rate: 20_000.0,
            server_micros: 20.0,
            redis_micros: 10.0,
            pipeline,
        };
        assert!((predicted_rate(&shard(16.0)) - 1e7).abs() < 1e-3);
        assert!((predicted_rate(&shard(128.0)) - 4e6).abs() < 1e-3);
    }
}
