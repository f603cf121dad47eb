//! `cargo xtask bench --against BINARY`: compares the server with another binary of it, such as one of
//! an older commit. Both run at once and are loaded in turns; the ratios count, not the figures.

use std::path::Path;
use std::time::Duration;

use super::cases::{MESSAGE_PATH, TEXT, in_turns};
use super::figures::{Figures, median};
use super::options::BenchOptions;
use super::server::{BenchServer, ServerKind, ServerLaunch, directory_on_disk};
use super::wrk::WrkLoad;
use crate::{binary, process, programs};

/// A compared request.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    path: &'static str,
    /// The JSON to POST; without one it is a GET.
    body: Option<&'static str>,
}

const PING: Comparison = Comparison {
    path: "/api/v1/ping",
    body: None,
};
const MESSAGE: Comparison = Comparison {
    path: MESSAGE_PATH,
    body: Some(TEXT),
};

/// Where both servers store messages.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ComparedStore {
    Memory,
    Embedded,
    Redis,
}

/// The compared requests and their stores, one row each. Each row starts new servers.
const ROWS: [(&str, Comparison, ComparedStore); 4] = [
    ("ping", PING, ComparedStore::Memory),
    ("message, memory", MESSAGE, ComparedStore::Memory),
    ("message, embedded", MESSAGE, ComparedStore::Embedded),
    ("message, Redis", MESSAGE, ComparedStore::Redis),
];

/// The figures of a row in one round: of this binary and of the other.
type Pair = [Figures; 2];

/// Builds this server, measures both and prints the ratios.
///
/// # Errors
/// A request without a successful response, or a server or tool that cannot be started.
pub(super) fn run(
    root: &Path,
    options: &BenchOptions,
    workers: usize,
    other: &Path,
) -> Result<(), String> {
    programs::ensure_package("redis-server", "redis-server")?;
    let ours = binary::dist(root, "posthorn", ["--bin", "posthorn"])?.join("posthorn");
    let other = other.canonicalize();
    let other = other.map_err(|error| format!("the other binary: {error}"))?;
    let directory = directory_on_disk(root)?;
    let mut rows: [Vec<Pair>; 4] = Default::default();
    for number in 1..=options.rounds {
        println!("round {number} of {}", options.rounds);
        for (row, (_, request, store)) in rows.iter_mut().zip(&ROWS) {
            let directory = tempfile::tempdir_in(&directory).map_err(|e| e.to_string())?;
            let pair = Comparing {
                binaries: [&ours, &other],
                workers,
                directory: directory.path(),
                load: WrkLoad {
                    connections: options.connections,
                    duration: Duration::from_secs(options.seconds),
                    directory: directory.path(),
                },
            };
            row.push(pair.measure(request, *store, number % 2 == 0)?);
        }
    }
    print(&rows)
}

/// Two servers in one round.
#[derive(Debug)]
struct Comparing<'a> {
    binaries: [&'a Path; 2],
    workers: usize,
    directory: &'a Path,
    load: WrkLoad<'a>,
}

impl Comparing<'_> {
    /// Starts both servers, each on an empty store, and loads them one after the other.
    fn measure(
        &self,
        request: &Comparison,
        store: ComparedStore,
        backwards: bool,
    ) -> Result<Pair, String> {
        let redis = process::free_address()?;
        let _redis = match store {
            ComparedStore::Redis => Some(process::redis_in_memory(redis, self.directory)?),
            ComparedStore::Memory | ComparedStore::Embedded => None,
        };
        let start = |number: usize, binary| {
            let file = self.directory.join(format!("{number}.db"));
            let url = match store {
                ComparedStore::Memory => "memory:".to_owned(),
                ComparedStore::Embedded => format!("file:{}", file.display()),
                ComparedStore::Redis => format!("redis://{redis}/{number}"),
            };
            let launch = ServerLaunch {
                binary,
                workers: self.workers,
                directory: self.directory,
                store: &url,
            };
            BenchServer::start(ServerKind::Posthorn, &launch)
        };
        let [ours, other] = self.binaries;
        // The server that starts first costs more over Redis, so each starts first in half of the rounds.
        let servers = if backwards {
            let other = start(1, other)?;
            [start(0, ours)?, other]
        } else {
            [start(0, ours)?, start(1, other)?]
        };
        let figures = in_turns(&servers, backwards, |server| {
            let load = || self.load.run(server.address, request.path, request.body);
            server.measured(load)
        })?;
        Pair::try_from(figures).map_err(|_| "not two servers".to_owned())
    }
}

/// Prints the medians of both and of the ratios of each round; fails if a request failed.
fn print(rows: &[Vec<Pair>; 4]) -> Result<(), String> {
    println!(
        "\n{:20} {:>11} {:>11} {:>7} {:>9} {:>9} {:>7}",
        "", "requests/s", "other", "ratio", "CPU us", "other", "ratio"
    );
    let mut failed = 0.0;
    for (pairs, (name, ..)) in rows.iter().zip(ROWS) {
        let of = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure).collect());
        println!(
            "{name:20} {:>11.0} {:>11.0} {:>7.3} {:>9.1} {:>9.1} {:>7.3}",
            of(|[ours, _]| ours.rate),
            of(|[_, other]| other.rate),
            of(|[ours, other]| ours.rate / other.rate),
            of(|[ours, _]| ours.processor_micros),
            of(|[_, other]| other.processor_micros),
            of(|[ours, other]| ours.processor_micros / other.processor_micros),
        );
        failed += pairs.iter().flatten().map(|one| one.failed).sum::<f64>();
    }
    if failed > 0.0 {
        return Err(format!("{failed} requests failed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_fails_the_comparison() {
        let pair = |failed| {
            [Figures {
                rate: 10.0,
                p50: 1.0,
                p99: 2.0,
                processor_micros: 3.0,
                failed,
            }; 2]
        };
        let rows = |failed| [0, 1, 2, 3].map(|_| vec![pair(0.0), pair(failed)]);
        assert_eq!(print(&rows(0.0)), Ok(()));
        assert_eq!(print(&rows(1.0)), Err("8 requests failed".to_owned()));
    }
}
