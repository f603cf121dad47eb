//! What the stores take, beside their engines alone: the embedded one beside a writer with nothing
//! around it on the same disk, the Redis one beside `redis-benchmark` with the same pipelining.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::server::{Kind, Server};
use super::table::median;
use super::wrk::{Answers, Load};
use super::{MESSAGE_PATH, Options, TEXT, in_turns, streams};
use crate::process::{self, Process};
use crate::shell::{self, capture};

/// What is asked of the stores: their share of the lesser of the bare handler and the engine.
const LEAST_EMBEDDED: f64 = 0.70;
const LEAST_REDIS: f64 = 0.50;
/// How many messages the paged topic holds.
const STORED: u32 = 1_000_000;
/// What is asked of a page of 50, in milliseconds.
const MOST_PAGE: f64 = 1.0;
/// Commands of one pipeline, as many as the Redis adapter's.
const PIPELINE: &str = "256";
/// The length of the messages that `redis-benchmark` appends, about that of the request's record.
const ENTRY_BYTES: usize = 50;

/// Measures and prints everything about stores; `bare` is the rate of the bare handler in this run.
pub(super) fn run(root: &Path, options: Options, workers: usize, bare: f64) -> Result<(), String> {
    build(root)?;
    let directory = tempfile::tempdir_in(root.join("target")).map_err(|e| e.to_string())?;
    println!("\nstores, {} connections", options.connections);
    embedded(root, options, workers, directory.path())?;
    redis(root, options, workers, directory.path(), bare)?;
    pages(root, options, workers, directory.path())?;
    streams::run(root, workers, directory.path())
}

fn build(root: &Path) -> Result<(), String> {
    for example in ["append_bench", "fill"] {
        let mut build = shell::cargo(root, ["build", "--release", "--locked"]);
        shell::run(build.args(["--package", "posthorn-embedded", "--example", example]))?;
    }
    Ok(())
}

fn example(root: &Path, name: &str) -> Command {
    Command::new(root.join("target/release/examples").join(name))
}

/// The embedded store, in turns with the bare handler and with the bare handler before the engine,
/// which does the least that any server on this store can do.
fn embedded(root: &Path, options: Options, workers: usize, directory: &Path) -> Result<(), String> {
    let engine = engine(root, directory, options.seconds)?;
    let (mut bares, mut synced) = (Vec::new(), Vec::new());
    let (mut shares, mut bounds, mut shares_of_bound) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=options.rounds {
        let kinds = [Kind::Bare, Kind::BareSynced, Kind::Posthorn];
        let found = in_turns(&kinds, number % 2 == 0, |kind| {
            let directory = tempfile::tempdir_in(directory).map_err(|error| error.to_string())?;
            let file = format!("file:{}", directory.path().join("accepts.db").display());
            accepts(root, *kind, options, workers, directory.path(), &file)
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
    print_share(
        "embedded, synced",
        &synced,
        (engine, median(bares)),
        median(shares),
        LEAST_EMBEDDED,
    );
    println!(
        "{:24} the bare handler before the engine takes {:.0} % of the lesser; this is {:.0} % of it",
        "",
        100.0 * median(bounds),
        100.0 * median(shares_of_bound),
    );
    Ok(())
}

/// Appends a second that the engine of the embedded store takes alone.
fn engine(root: &Path, directory: &Path, seconds: u64) -> Result<f64, String> {
    let mut bench = example(root, "append_bench");
    let printed = capture(bench.arg(directory).arg(seconds.to_string()))?;
    named(&printed, "engine_appends_per_second").ok_or_else(|| format!("not understood: {printed}"))
}

fn named(printed: &str, name: &str) -> Option<f64> {
    let value = printed.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

/// The highest load of messages on a server with this store.
fn accepts(
    root: &Path,
    kind: Kind,
    options: Options,
    workers: usize,
    directory: &Path,
    store: &str,
) -> Result<Answers, String> {
    let server = Server::start(root, kind, workers, directory, store)?;
    let load = Load {
        connections: options.connections,
        duration: Duration::from_secs(options.seconds),
        directory,
    };
    load.run(server.address, MESSAGE_PATH, Some(TEXT))
}

/// Prints the medians of `answers`, and whether their `share` is what is asked.
fn print_share(
    name: &str,
    answers: &[Answers],
    (engine, bare): (f64, f64),
    share: f64,
    least: f64,
) {
    let of = |figure: fn(&Answers) -> f64| median(answers.iter().map(figure).collect());
    println!(
        "{name:24} {:>8.0} accepts/s, p99 {:.2} ms, {:.0} failed; engine {engine:.0}/s, bare \
         {bare:.0}/s: {:.0} % of the lesser, at least {:.0} %: {}",
        of(|one| one.rate),
        of(|one| one.p99),
        answers.iter().map(|one| one.failed).sum::<f64>(),
        share * 100.0,
        least * 100.0,
        if share >= least { "met" } else { "MISSED" }
    );
}

fn redis(
    root: &Path,
    options: Options,
    workers: usize,
    directory: &Path,
    bare: f64,
) -> Result<(), String> {
    crate::setup::ensure_package("redis-server", "redis-server")?;
    crate::setup::ensure_package("redis-benchmark", "redis-tools")?;
    let address = process::free_address()?;
    let port = address.port().to_string();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "no", "--dir"]).arg(directory);
    let mut redis = Process::start("redis", &mut command, &directory.join("redis.log"))?;
    redis.wait_for(|| std::net::TcpStream::connect(address).is_ok())?;
    let entry = "x".repeat(ENTRY_BYTES);
    let mut bench = Command::new("redis-benchmark");
    bench.args([
        "-p", &port, "-q", "-c", "2", "-n", "1000000", "-P", PIPELINE,
    ]);
    let printed = capture(bench.args(["XADD", "bench", "*", "content", &entry]))?;
    let engine = benchmark_rate(&printed).ok_or_else(|| format!("not understood: {printed}"))?;
    let store = format!("redis://127.0.0.1:{port}");
    let accepts = accepts(root, Kind::Posthorn, options, workers, directory, &store)?;
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

/// The last rate that `redis-benchmark -q` printed: it shows its progress on the same line.
fn benchmark_rate(printed: &str) -> Option<f64> {
    let (before, _) = printed.rsplit_once(" requests per second")?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Pages of 50 at the start, in the middle and at the end of a topic of a million messages.
fn pages(root: &Path, options: Options, workers: usize, directory: &Path) -> Result<(), String> {
    let path = directory.join("pages.db");
    let mut fill = example(root, "fill");
    let printed = capture(fill.arg(&path).arg(STORED.to_string()))?;
    let middle = printed
        .lines()
        .find_map(|line| line.strip_prefix("middle "));
    let middle = middle.ok_or_else(|| format!("not understood: {printed}"))?;
    let store = format!("file:{}", path.display());
    let server = Server::start(root, Kind::Posthorn, workers, directory, &store)?;
    let base = "/api/v1/topics/inbox/messages";
    for (place, query) in [
        ("start", "?order=asc".to_owned()),
        ("middle", format!("?after={middle}")),
        ("end", "?order=desc".to_owned()),
    ] {
        let load = Load {
            connections: 1,
            duration: Duration::from_secs(options.seconds),
            directory,
        };
        let figures =
            server.measured(|| load.run(server.address, &format!("{base}{query}"), None))?;
        println!(
            "page of 50 at the {place:7} {:>8.2} ms p50, {:.2} ms p99, {:.0} us CPU, {:.0} failed; \
             under {MOST_PAGE} ms: {}",
            figures.p50,
            figures.p99,
            figures.processor_micros,
            figures.failed,
            if figures.p50 < MOST_PAGE {
                "met"
            } else {
                "MISSED"
            }
        );
    }
    Ok(())
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
