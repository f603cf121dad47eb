//! `cargo xtask bench`: measures the server beside a bare actix-web handler that does the same JSON work.
//! Both run at once and are loaded in turns, so that other work of the machine affects both.

mod against;
mod cases;
mod consumers;
mod doors;
mod figures;
mod growth;
mod jetstream;
mod options;
mod paced;
mod peers;
mod resources;
mod server;
mod stores;
mod streams;
mod table;
mod verdict;
mod webhooks;
mod wrk;

use std::path::Path;
use std::time::Duration;

use crate::programs;
use cases::{BARE, CASES, MESSAGE, MESSAGE_PATH, TEXT, in_turns};
use figures::{Round, Start};
use server::{BenchServer, Binaries, ServerKind, ServerLaunch};
use wrk::WrkLoad;

pub(crate) use options::BenchOptions;

/// Measures and prints the tables.
///
/// # Errors
/// A request without a successful response, or a server or tool that cannot be started.
pub(crate) fn run(root: &Path, options: &BenchOptions) -> Result<(), String> {
    programs::ensure_package("wrk", "wrk")?;
    let processors = std::thread::available_parallelism().map_err(|error| error.to_string())?;
    if let Some(other) = &options.against {
        return against::run(root, options, processors.get(), other);
    }
    let binaries = Binaries::build(root)?;
    if options.doors {
        return doors::run(root, &binaries, options, processors.get());
    }
    if options.consumers {
        return consumers::run(root, &binaries, options, processors.get());
    }
    if options.peers {
        return peers::run(root, &binaries, options, processors.get());
    }
    if options.growth {
        return growth::run(root, &binaries, options, processors.get());
    }
    if options.webhooks {
        return webhooks::run(root, &binaries, options, processors.get());
    }
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        println!("round {number} of {}", options.rounds);
        rounds.push(measure(
            &binaries,
            options,
            processors.get(),
            number % 2 == 0,
        )?);
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
    doors::run(root, &binaries, options, processors.get())?;
    let bare = table::median_rate(&rounds, BARE);
    stores::run(root, &binaries, options, processors.get(), bare)?;
    consumers::run(root, &binaries, options, processors.get())?;
    webhooks::run(root, &binaries, options, processors.get())
}

/// One round: new servers, every case once, then the paced one.
fn measure(
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    backwards: bool,
) -> Result<Round, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let start = |kind| {
        let launch = ServerLaunch {
            binary: binaries.of(kind),
            workers,
            directory: directory.path(),
            store: "memory:",
        };
        BenchServer::start(kind, &launch)
    };
    let posthorn = start(ServerKind::Posthorn)?;
    let unlimited = start(ServerKind::Unlimited)?;
    let bare = start(ServerKind::Bare)?;
    let idle = posthorn.resident()?;
    let duration = Duration::from_secs(options.seconds);
    let mut figures = in_turns(&CASES, backwards, |case| {
        let server = match case.server {
            ServerKind::Posthorn => &posthorn,
            ServerKind::Unlimited => &unlimited,
            ServerKind::Bare | ServerKind::BareSynced => &bare,
        };
        let load = WrkLoad {
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
