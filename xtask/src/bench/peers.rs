//! `cargo xtask bench --peers`: measures Posthorn beside other products that accept messages, as far as they are
//! installed. Each is started anew in every round, and rounds go through the products forwards and backwards.

mod accepts;
mod fan_out;
mod launch;
mod nats_load;
mod nginx;
mod products;
mod readers;
mod requests;
mod stopped;
mod table;
mod targets;

use std::path::Path;

use super::cases::in_turns;
use super::options::BenchOptions;
use super::server::{Binaries, directory_on_disk};
use crate::programs;
use products::{Description, PRODUCTS};
use table::PeerRow;

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
    programs::ensure_package("redis-benchmark", "redis-tools")?;
    let directory = directory_on_disk(root)?;
    let directory = directory.path();
    let every: Vec<_> = PRODUCTS.iter().collect();
    let accepts = rounds(&every, options, |one| {
        accepts::measure(one, binaries, options, workers, directory)
    })?;
    println!(
        "\naccepts of 64 bytes, {} connections, {workers} workers, {} s, medians of {} rounds\n",
        options.connections, options.seconds, options.rounds
    );
    let outcome = table::print_accepts(&accepts);
    println!();
    targets::print_accepts(&accepts);
    let with_streams = |one: &&Description| fan_out::FANNED_OUT.contains(&one.product);
    let streamed: Vec<_> = PRODUCTS.iter().filter(with_streams).collect();
    let deliveries = rounds(&streamed, options, |one| {
        fan_out::measure(one, binaries, options, workers, directory).map(Some)
    })?;
    println!(
        "\nfan-out of 64 bytes to {} readers of one topic, {} messages/s, {} s, medians of {} \
         rounds; ms from the acknowledgement to the frame\n",
        options.readers,
        fan_out::MESSAGES_PER_SECOND,
        options.seconds,
        options.rounds
    );
    table::print_deliveries(&deliveries);
    println!();
    targets::print_deliveries(&deliveries);
    table::print_meanings();
    outcome
}

/// Measures each product once in every round. One that is not installed, or lacks the mode, has the reason instead.
fn rounds<F>(
    products: &[&'static Description],
    options: &BenchOptions,
    mut measure: impl FnMut(&Description) -> Result<Option<F>, String>,
) -> Result<Vec<PeerRow<F>>, String> {
    let mut rows: Vec<PeerRow<F>> = products
        .iter()
        .map(|one| {
            let absent = || format!("not installed: `{}`", one.install);
            let figures = one.is_installed().then(Vec::new).ok_or_else(absent);
            (*one, figures)
        })
        .collect();
    for number in 1..=options.rounds {
        println!("round {number} of {}", options.rounds);
        let installed: Vec<_> = rows
            .iter()
            .map(|(one, found)| (*one, found.is_ok()))
            .collect();
        let found = in_turns(&installed, number % 2 == 0, |(one, is_installed)| {
            if *is_installed {
                measure(one)
            } else {
                Ok(None)
            }
        })?;
        for ((_, figures), found) in rows.iter_mut().zip(found) {
            match (figures.as_mut(), found) {
                (Ok(figures), Some(found)) => figures.push(found),
                (Ok(_), None) => {
                    *figures = Err("the installed version has no such mode".to_owned());
                }
                (Err(_), _) => {}
            }
        }
    }
    Ok(rows)
}
