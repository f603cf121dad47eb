//! What the stores take, beside their engines alone: the embedded one beside a writer with nothing
//! around it on the same disk, the Redis one beside `redis-benchmark` with the same pipelining.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::server::{Kind, Server};
use super::wrk::{Answers, Load};
use super::{MESSAGE_PATH, Options, TEXT, streams};
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

/// The rates of this run that stores are put beside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    /// The bare handler.
    pub(super) bare: f64,
    /// Messages on the memory store.
    pub(super) message: f64,
}

/// What the engine of the embedded store does alone.
#[derive(Clone, Copy, Debug)]
struct Engine {
    /// Appends a second.
    rate: f64,
    /// Processor time for each, in microseconds.
    processor_micros: f64,
}

/// Measures and prints everything about stores.
pub(super) fn run(
    root: &Path,
    options: Options,
    workers: usize,
    beside: Beside,
) -> Result<(), String> {
    let bare = beside.bare;
    build(root)?;
    let directory = tempfile::tempdir_in(root.join("target")).map_err(|e| e.to_string())?;
    println!("\nstores, {} connections", options.connections);
    let engine = engine(root, directory.path(), options.seconds)?;
    let file = format!("file:{}", directory.path().join("accepts.db").display());
    let accepts = accepts(root, options, workers, directory.path(), &file)?;
    print_share(
        "embedded, synced",
        &accepts,
        engine.rate,
        bare,
        LEAST_EMBEDDED,
    );
    // Requests on the memory store keep all processors busy, the client's share included.
    let processors = f64::from(u32::try_from(workers).unwrap_or(u32::MAX));
    let each = 1.0 / beside.message + engine.processor_micros / 1e6 / processors;
    println!(
        "{:24} {:>8.0} accepts/s are what {workers} processors have the time for: {:.0} % of that",
        "",
        1.0 / each,
        accepts.rate * each * 100.0
    );
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

fn engine(root: &Path, directory: &Path, seconds: u64) -> Result<Engine, String> {
    let mut bench = example(root, "append_bench");
    let printed = capture(bench.arg(directory).arg(seconds.to_string()))?;
    let figure = |name| named(&printed, name).ok_or_else(|| format!("not understood: {printed}"));
    Ok(Engine {
        rate: figure("engine_appends_per_second")?,
        processor_micros: figure("engine_processor_micros")?,
    })
}

fn named(printed: &str, name: &str) -> Option<f64> {
    let value = printed.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

/// The highest load of messages on a server with this store.
fn accepts(
    root: &Path,
    options: Options,
    workers: usize,
    directory: &Path,
    store: &str,
) -> Result<Answers, String> {
    let server = Server::start(root, Kind::Posthorn, workers, directory, store)?;
    let load = Load {
        connections: options.connections,
        duration: Duration::from_secs(options.seconds),
        directory,
    };
    load.run(server.address, MESSAGE_PATH, Some(TEXT))
}

fn print_share(name: &str, answers: &Answers, engine: f64, bare: f64, least: f64) {
    let share = answers.rate / engine.min(bare);
    println!(
        "{name:24} {:>8.0} accepts/s, p99 {:.2} ms, {:.0} failed; engine {engine:.0}/s, bare \
         {bare:.0}/s: {:.0} % of the lesser, at least {:.0} %: {}",
        answers.rate,
        answers.p99,
        answers.failed,
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
    let accepts = accepts(root, options, workers, directory, &store)?;
    print_share("Redis, in its memory", &accepts, engine, bare, LEAST_REDIS);
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
