//! `cargo xtask bench`: what the server costs, beside a bare actix-web handler that does the same JSON
//! work. Both run at once and are loaded in turn, so that what else the machine does falls on both.

mod paced;
mod resources;
mod server;
mod stores;
mod streams;
mod table;
mod wrk;

use std::path::Path;
use std::time::Duration;

use crate::{setup, shell};
use server::{Kind, Server};
use table::{Figures, Start};
use wrk::Load;

/// How long and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of load for each case in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds; the figures are their medians. Every other one goes through the cases backwards.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Connections that send at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
}

/// One kind of request. A row of the table.
#[derive(Debug)]
struct Case {
    name: &'static str,
    server: Kind,
    path: &'static str,
    /// The JSON to POST; without one it is a GET.
    body: Option<&'static str>,
}

const TEXT: &str = r#"{"message":"The quick brown fox jumps over the lazy dog"}"#;
const MESSAGE_PATH: &str = "/api/v1/message";

/// Where the case that is compared stands in the list, between the two that it is compared with: the
/// shorter the time between two cases, the less else changes.
const MESSAGE: usize = 3;
const BARE: usize = 2;
/// A message to a server without quotas.
const UNLIMITED: usize = 4;

const CASES: [Case; 5] = [
    Case {
        name: "ping",
        server: Kind::Posthorn,
        path: "/api/v1/ping",
        body: None,
    },
    Case {
        name: "info",
        server: Kind::Posthorn,
        path: "/api/v1/info",
        body: None,
    },
    Case {
        name: "message, bare",
        server: Kind::Bare,
        path: MESSAGE_PATH,
        body: Some(TEXT),
    },
    Case {
        name: "message",
        server: Kind::Posthorn,
        path: MESSAGE_PATH,
        body: Some(TEXT),
    },
    Case {
        name: "message, no quotas",
        server: Kind::Unlimited,
        path: MESSAGE_PATH,
        body: Some(TEXT),
    },
];

/// What a round found.
#[derive(Debug)]
struct Round {
    start: Start,
    /// In the order of the cases, the paced one last.
    figures: Vec<Figures>,
}

/// Measures and prints the table. A request without a good answer is a failure.
pub(crate) fn run(root: &Path, options: Options) -> Result<(), String> {
    setup::ensure_package("wrk", "wrk")?;
    let mut build = shell::cargo(root, ["build", "--release", "--locked"]);
    build.args(["--package", "posthorn", "--bin", "posthorn"]);
    shell::run(build.args([
        "--package",
        "posthorn-bench-baseline",
        "--bin",
        "bench-baseline",
    ]))?;
    let processors = std::thread::available_parallelism().map_err(|error| error.to_string())?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        println!("round {number} of {}", options.rounds);
        rounds.push(measure(root, options, processors.get(), number % 2 == 0)?);
    }
    println!(
        "\n{processors} workers each, {} connections, {} s a case, medians of {} rounds; the load \
         comes from the same {processors} processors\n",
        options.connections, options.seconds, options.rounds
    );
    let names = CASES
        .iter()
        .map(|case| case.name)
        .chain(["message, half of the load"]);
    table::print(&names.collect::<Vec<_>>(), &rounds)?;
    let bare = table::median_rate(&rounds, BARE);
    stores::run(root, options, processors.get(), bare)
}

/// Measures each of `what`, `backwards` in every other round, so that none gains from its place; the
/// results are in the order of `what`.
fn in_turns<T, R>(
    what: &[T],
    backwards: bool,
    mut measure: impl FnMut(&T) -> Result<R, String>,
) -> Result<Vec<R>, String> {
    if !backwards {
        return what.iter().map(measure).collect();
    }
    let mut results: Vec<R> = what
        .iter()
        .rev()
        .map(&mut measure)
        .collect::<Result<_, _>>()?;
    results.reverse();
    Ok(results)
}

/// One round: fresh servers, every case once, then the paced one.
fn measure(
    root: &Path,
    options: Options,
    workers: usize,
    backwards: bool,
) -> Result<Round, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let posthorn = Server::start(root, Kind::Posthorn, workers, directory.path(), "memory:")?;
    let unlimited = Server::start(root, Kind::Unlimited, workers, directory.path(), "memory:")?;
    let bare = Server::start(root, Kind::Bare, workers, directory.path(), "memory:")?;
    let idle = posthorn.resident()?;
    let duration = Duration::from_secs(options.seconds);
    let mut figures = in_turns(&CASES, backwards, |case| {
        let server = match case.server {
            Kind::Posthorn => &posthorn,
            Kind::Unlimited => &unlimited,
            Kind::Bare | Kind::BareSynced => &bare,
        };
        let load = Load {
            connections: options.connections,
            duration,
            directory: directory.path(),
        };
        server.measured(|| load.run(server.address, case.path, case.body))
    })?;
    let highest = figures.get(MESSAGE).map_or(0.0, |message| message.rate);
    figures.push(posthorn.measured(|| {
        let pace = paced::Pace {
            connections: options.connections,
            duration,
            rate: highest / 2.0,
        };
        paced::run(posthorn.address, MESSAGE_PATH, TEXT, pace)
    })?);
    let start = Start {
        ready: posthorn.ready,
        idle,
        loaded: posthorn.resident()?,
    };
    Ok(Round { start, figures })
}
