//! Deliveries a second of messages that wait already.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::rig::WebhookBench;
use crate::bench::verdict::verdict;

/// The messages that wait.
const MESSAGES: usize = 60_000;
/// The deliveries before the measurement, in which connections are opened.
const WARM_UP: u64 = 1_000;
/// The targets: deliveries a second, and CPU time of the server for each in microseconds.
pub(super) const LEAST: f64 = 3_000.0;
const MOST_MICROS: f64 = 80.0;
const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures and prints one webhook with many attempts at once, and ten with the default of ten each.
pub(super) fn run(bench: &WebhookBench) -> Result<(), String> {
    bench.calls.fill("throughput", MESSAGES)?;
    measure(bench, 1, 200)?;
    measure(bench, 10, 10)
}

#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn measure(bench: &WebhookBench, webhooks: usize, max_in_flight: u16) -> Result<(), String> {
    let names = || (0..webhooks).map(|number| format!("w{number}"));
    let url = bench.sink.url("/");
    let settings = json!({ "max_in_flight": max_in_flight });
    let first = bench.sink.requests() + WARM_UP;
    let all = names().map(|name| (name, url.clone()));
    bench.calls.put("throughput", all, &settings)?;
    reach(bench, first)?;
    let (before, used) = (bench.sink.requests(), bench.server.processor_seconds()?);
    let start = Instant::now();
    // Each webhook delivers all messages: the measurement ends before the first one is done.
    let most = u64::try_from(MESSAGES).unwrap_or(u64::MAX) - 2 * WARM_UP;
    while start.elapsed() < Duration::from_secs(bench.seconds)
        && bench.sink.requests() - before < most
    {
        thread::sleep(POLL);
    }
    let elapsed = start.elapsed().as_secs_f64();
    let delivered = bench.sink.requests() - before;
    let used = bench.server.processor_seconds()? - used;
    bench.calls.delete("throughput", names())?;
    let delivered = f64::from(u32::try_from(delivered).unwrap_or(u32::MAX));
    let (rate, micros) = (delivered / elapsed, used * 1e6 / delivered);
    println!(
        "  {webhooks:>3} x {max_in_flight:>3} at once         {rate:>10.0} deliveries/s; at least {LEAST:.0}: \
         {}; {micros:.1} us CPU each, at most {MOST_MICROS}: {}; {:.1} MiB",
        verdict(rate >= LEAST),
        verdict(micros <= MOST_MICROS),
        bench.server.resident()?,
    );
    Ok(())
}

/// Waits until the receiver has responded to so many requests.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn reach(bench: &WebhookBench, requests: u64) -> Result<(), String> {
    let start = Instant::now();
    while bench.sink.requests() < requests {
        if start.elapsed() > PATIENCE {
            return Err(format!("{} deliveries", bench.sink.requests()));
        }
        thread::sleep(POLL);
    }
    Ok(())
}
