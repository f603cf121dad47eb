//! Measures the stores beside their engines alone: the embedded store beside a bare writer on the same
//! disk, the Redis store beside `redis-benchmark` with the same pipelining.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cases::{MESSAGE_PATH, TEXT, in_turns};
use super::figures::median;
use super::options::BenchOptions;
use super::server::{BenchServer, Binaries, ServerKind, ServerLaunch, directory_on_disk};
use super::streams;
use super::wrk::{LoadFigures, WrkLoad};
use crate::shell::capture;
use crate::{binary, process, programs};

/// The targets: shares of the lesser of the bare handler and the engine.
const LEAST_EMBEDDED: f64 = 0.70;
const LEAST_REDIS: f64 = 0.50;
/// How many messages the paged topic holds.
const STORED: u32 = 1_000_000;
/// The target for a page of 50, in milliseconds.
const MOST_PAGE: f64 = 1.0;
/// Commands of one pipeline, as many as the Redis adapter's.
pub(super) const PIPELINE: &str = "256";
/// The length of the messages that `redis-benchmark` appends, about that of the request's record.
const ENTRY_BYTES: usize = 50;

/// What every measurement of a store needs.
#[derive(Debug)]
struct StoreBench<'a> {
    binaries: &'a Binaries,
    /// The directory of the built examples.
    examples: PathBuf,
    options: &'a BenchOptions,
    workers: usize,
    /// A directory on the disk of the build, for databases.
    directory: &'a Path,
}

/// Measures and prints everything about stores; `bare` is the rate of the bare handler in this run.
pub(super) fn run(
    root: &Path,
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    bare: f64,
) -> Result<(), String> {
    let mut examples = PathBuf::new();
    for example in ["append_bench", "fill"] {
        let built = binary::dist(root, "posthorn-embedded", ["--example", example])?;
        examples = built.join("examples");
    }
    let directory = directory_on_disk(root)?;
    println!("\nstores, {} connections", options.connections);
    let bench = StoreBench {
        binaries,
        examples,
        options,
        workers,
        directory: directory.path(),
    };
    bench.embedded()?;
    bench.redis(bare)?;
    bench.pages()?;
    streams::run(&bench.launch(ServerKind::Posthorn, bench.directory, "memory:"))
}

impl StoreBench<'_> {
    /// The embedded store, in turns with the bare handler and with the bare handler before the engine,
    /// which does the least that any server on this store can do.
    fn embedded(&self) -> Result<(), String> {
        let engine = self.engine()?;
        let (mut bares, mut synced) = (Vec::new(), Vec::new());
        let (mut shares, mut bounds, mut shares_of_bound) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=self.options.rounds {
            let kinds = [
                ServerKind::Bare,
                ServerKind::BareSynced,
                ServerKind::Posthorn,
            ];
            let found = in_turns(&kinds, number % 2 == 0, |kind| {
                let directory = tempfile::tempdir_in(self.directory).map_err(|e| e.to_string())?;
                let file = format!("file:{}", directory.path().join("accepts.db").display());
                self.accepts(*kind, directory.path(), &file)
            })?;
            if let [bare, bound, ours] = found[..] {
                let lesser = engine.min(bare.rate);
                shares.push(ours.rate / lesser);
                bounds.push(bound.rate / lesser);
                shares_of_bound.push(ours.rate / bound.rate);
                bares.push(bare.rate);
                synced.push(ours);
            }
        }
        let compared = (engine, median(bares));
        print_share(
            "embedded, synced",
            &synced,
            compared,
            median(shares),
            LEAST_EMBEDDED,
        );
        println!(
            "{:24} the bare handler before the engine reaches {:.0} % of the lesser; the server \
             {:.0} % of it",
            "",
            100.0 * median(bounds),
            100.0 * median(shares_of_bound),
        );
        Ok(())
    }

    /// Appends a second of the embedded store's engine alone.
    fn engine(&self) -> Result<f64, String> {
        let mut bench = Command::new(self.examples.join("append_bench"));
        bench
            .arg(self.directory)
            .arg(self.options.seconds.to_string());
        let printed = capture(&mut bench)?;
        named(&printed, "engine_appends_per_second")
            .ok_or_else(|| format!("append_bench printed no figure: {printed}"))
    }

    /// The highest load of messages on a server with this store.
    fn accepts(
        &self,
        kind: ServerKind,
        directory: &Path,
        store: &str,
    ) -> Result<LoadFigures, String> {
        let server = BenchServer::start(kind, &self.launch(kind, directory, store))?;
        let load = self.load(self.options.connections, directory);
        load.run(server.address, MESSAGE_PATH, Some(TEXT))
    }

    fn redis(&self, bare: f64) -> Result<(), String> {
        programs::ensure_package("redis-server", "redis-server")?;
        programs::ensure_package("redis-benchmark", "redis-tools")?;
        let address = process::free_address()?;
        let redis = process::redis_in_memory(address, self.directory)?;
        let port = address.port().to_string();
        let entry = "x".repeat(ENTRY_BYTES);
        let mut bench = Command::new("redis-benchmark");
        bench.args([
            "-p", &port, "-q", "-c", "2", "-n", "1000000", "-P", PIPELINE,
        ]);
        let printed = capture(bench.args(["XADD", "bench", "*", "content", &entry]))?;
        let engine = benchmark_rate(&printed)
            .ok_or_else(|| format!("redis-benchmark printed no rate: {printed}"))?;
        let store = format!("redis://{address}");
        let accepts = self.accepts(ServerKind::Posthorn, self.directory, &store)?;
        let share = accepts.rate / engine.min(bare);
        print_share(
            "Redis, in its memory",
            &[accepts],
            (engine, bare),
            share,
            LEAST_REDIS,
        );
        redis.terminate().map(drop)
    }

    /// Pages of 50 at the start, in the middle and at the end of a topic of a million messages.
    fn pages(&self) -> Result<(), String> {
        let path = self.directory.join("pages.db");
        let mut fill = Command::new(self.examples.join("fill"));
        let printed = capture(fill.arg(&path).arg(STORED.to_string()))?;
        let middle = printed
            .lines()
            .find_map(|line| line.strip_prefix("middle "));
        let middle = middle.ok_or_else(|| format!("fill printed no id: {printed}"))?;
        let store = format!("file:{}", path.display());
        let launch = self.launch(ServerKind::Posthorn, self.directory, &store);
        let server = BenchServer::start(ServerKind::Posthorn, &launch)?;
        for (position, query) in [
            ("start", "?order=asc".to_owned()),
            ("middle", format!("?after={middle}")),
            ("end", "?order=desc".to_owned()),
        ] {
            let load = self.load(1, self.directory);
            let path = format!("/api/v1/topics/inbox/messages{query}");
            let figures = server.measured(|| load.run(server.address, &path, None))?;
            let met = if figures.p50 < MOST_PAGE {
                "met"
            } else {
                "MISSED"
            };
            println!(
                "page of 50 at the {position:7} {:>8.2} ms p50, {:.2} ms p99, {:.0} us CPU, {:.0} \
                 failed; under {MOST_PAGE} ms: {met}",
                figures.p50, figures.p99, figures.processor_micros, figures.failed,
            );
        }
        Ok(())
    }

    fn launch<'b>(
        &'b self,
        kind: ServerKind,
        directory: &'b Path,
        store: &'b str,
    ) -> ServerLaunch<'b> {
        ServerLaunch {
            binary: self.binaries.of(kind),
            workers: self.workers,
            directory,
            store,
        }
    }

    fn load<'b>(&self, connections: u16, directory: &'b Path) -> WrkLoad<'b> {
        WrkLoad {
            connections,
            duration: Duration::from_secs(self.options.seconds),
            directory,
        }
    }
}

/// The number after `name` at the start of a line.
fn named(printed: &str, name: &str) -> Option<f64> {
    let value = printed.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

/// Prints the medians of `figures`, and whether their `share` reaches the target.
fn print_share(
    name: &str,
    figures: &[LoadFigures],
    (engine, bare): (f64, f64),
    share: f64,
    least: f64,
) {
    let of = |figure: fn(&LoadFigures) -> f64| median(figures.iter().map(figure).collect());
    println!(
        "{name:24} {:>8.0} accepts/s, p99 {:.2} ms, {:.0} failed; engine {engine:.0}/s, bare \
         {bare:.0}/s: {:.0} % of the lesser, at least {:.0} %: {}",
        of(|one| one.rate),
        of(|one| one.p99),
        figures.iter().map(|one| one.failed).sum::<f64>(),
        share * 100.0,
        least * 100.0,
        if share >= least { "met" } else { "MISSED" }
    );
}

/// The last rate that `redis-benchmark -q` printed: it shows its progress on the same line.
pub(super) fn benchmark_rate(printed: &str) -> Option<f64> {
    let (before, _) = printed.rsplit_once(" requests per second")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_what_the_tools_print() {
        let printed = "round 0: engine 1/s\nengine_appends_per_second 1234\nratio 0.9\n";
        assert_eq!(named(printed, "engine_appends_per_second"), Some(1234.0));
        assert_eq!(named(printed, "nothing"), None);
        let printed =
            "XADD: rps=1.0\rXADD bench * content x: 250000.00 requests per second, p50=0.1\n";
        assert_eq!(benchmark_rate(printed), Some(250_000.0));
        assert_eq!(benchmark_rate("error"), None);
    }
}
