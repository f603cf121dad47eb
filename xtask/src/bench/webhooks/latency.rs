//! The time from the receipt of a message to its first attempt.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::calls::Accepted;
use super::rig::WebhookBench;
use super::sink::{Arrivals, TIMED};
use crate::bench::paced::percentile;
use crate::bench::verdict::verdict;
use crate::process::poll;

/// A tenth of the target of deliveries, by so many senders.
const PER_SECOND: u32 = 300;
const SENDERS: u32 = 4;
/// The target, in milliseconds.
const MOST: f64 = 50.0;

/// The time from receipt to first attempt of many messages.
#[derive(Debug)]
pub(super) struct FirstAttempts {
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Messages that did not arrive.
    pub(super) lost: usize,
    pub(super) count: usize,
}

/// Measures and prints the latency of one webhook with default settings.
pub(super) fn run(bench: &WebhookBench) -> Result<(), String> {
    let path = format!("{TIMED}latency");
    let webhook = ("w".to_owned(), bench.sink.url(&path));
    bench
        .calls
        .put("latency", [webhook], &json!({ "start": "newest" }))?;
    let send = || {
        let per_second = PER_SECOND / SENDERS;
        bench.calls.send_paced("latency", per_second, bench.seconds)
    };
    let accepted = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
        let mut accepted = Vec::new();
        for sender in senders {
            accepted.extend(sender.join().map_err(|_| "a sender panicked")??);
        }
        Ok::<_, String>(accepted)
    })?;
    poll(|| bench.sink.arrived() >= accepted.len());
    let arrivals = bench.sink.take_arrivals();
    bench.calls.delete("latency", ["w".to_owned()])?;
    let found = first_attempts(&arrivals, [(path, accepted.as_slice())]);
    println!(
        "  first attempt           {:>10.2} ms p50, {:.2} ms p99 after the receipt of {} messages, {} \
         lost; p99 under {MOST} ms: {}",
        found.p50,
        found.p99,
        found.count,
        found.lost,
        verdict(found.p99 < MOST && found.lost == 0),
    );
    Ok(())
}

/// `expected` are paths with the messages that have to arrive there. A request that came before the
/// receipt took no time.
pub(super) fn first_attempts<'a>(
    arrivals: &Arrivals,
    expected: impl IntoIterator<Item = (String, &'a [Accepted])>,
) -> FirstAttempts {
    let mut latencies: Vec<Duration> = Vec::new();
    let mut lost = 0;
    for (path, accepted) in expected {
        for message in accepted {
            match arrivals.get(&(path.clone(), message.id.clone())) {
                Some(at) => latencies.push(at.saturating_duration_since(message.at)),
                None => lost += 1,
            }
        }
    }
    latencies.sort_unstable();
    FirstAttempts {
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
        lost,
        count: latencies.len(),
    }
}
