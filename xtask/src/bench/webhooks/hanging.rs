//! Webhooks whose receivers never respond, beside others.

use std::ops::Range;
use std::thread;

use serde_json::json;

use super::calls::Accepted;
use super::latency::{FirstAttempts, first_attempts};
use super::rig::WebhookBench;
use super::sink::{HANGING, TIMED};
use crate::bench::verdict::verdict;
use crate::process::poll;

/// Topics, their webhooks, and how many of those hang: a topic has at most 64.
const TOPICS: usize = 4;
const WEBHOOKS: usize = 50;
const HANG: usize = 45;
/// Messages to each topic: more than the attempts that one webhook makes at once.
const PER_SECOND: u32 = 5;
/// The targets: milliseconds to the first attempt of the others, and MiB beside receivers that respond.
const MOST: f64 = 100.0;
const MOST_MIB: f64 = 40.0;

/// Measures and prints 200 webhooks that respond, then with 180 of them hanging.
pub(super) fn run(bench: &WebhookBench) -> Result<(), String> {
    put(bench, 0..HANG, TIMED)?;
    put(bench, HANG..WEBHOOKS, TIMED)?;
    let (all, before) = load(bench, 0..WEBHOOKS)?;
    put(bench, 0..HANG, HANGING)?;
    let (others, after) = load(bench, HANG..WEBHOOKS)?;
    for topic in topics() {
        let names = (0..WEBHOOKS).map(|number| format!("w{number}"));
        bench.calls.delete(&topic, names)?;
    }
    println!(
        "  200 webhooks            {:>10.2} ms p50, {:.2} ms p99, {} of {} lost",
        all.p50,
        all.p99,
        all.lost,
        all.lost + all.count,
    );
    println!(
        "  180 hang, 20 others     {:>10.2} ms p50, {:.2} ms p99, {} of {} lost; p99 under {MOST} ms: {}; \
         {:.1} MiB more, at most {MOST_MIB}: {}",
        others.p50,
        others.p99,
        others.lost,
        others.lost + others.count,
        verdict(others.p99 < MOST && others.lost == 0),
        after - before,
        verdict(after - before <= MOST_MIB),
    );
    Ok(())
}

fn topics() -> impl Iterator<Item = String> {
    (0..TOPICS).map(|number| format!("hanging-{number}"))
}

/// The path of a webhook.
fn path(prefix: &str, topic: &str, number: usize) -> String {
    format!("{prefix}{topic}/{number}")
}

/// Creates or changes these webhooks of each topic.
fn put(bench: &WebhookBench, numbers: Range<usize>, prefix: &str) -> Result<(), String> {
    for topic in topics() {
        let webhooks = numbers.clone().map(|number| {
            let path = path(prefix, &topic, number);
            (format!("w{number}"), bench.sink.url(&path))
        });
        let settings = json!({ "start": "newest" });
        bench.calls.put(&topic, webhooks, &settings)?;
    }
    Ok(())
}

/// Sends to all topics, and waits for the deliveries of the webhooks with these numbers. Returns their
/// latencies and the memory of the server at that moment, in MiB.
fn load(bench: &WebhookBench, numbers: Range<usize>) -> Result<(FirstAttempts, f64), String> {
    let seconds = bench.seconds.max(5);
    let accepted = thread::scope(|scope| {
        let sender = |topic: String| {
            scope.spawn(move || {
                let sent = bench.calls.send_paced(&topic, PER_SECOND, seconds);
                Ok::<_, String>((topic, sent?))
            })
        };
        let senders: Vec<_> = topics().map(sender).collect();
        let accepted = senders
            .into_iter()
            .map(|sender| sender.join().map_err(|_| "a sender panicked")?);
        accepted.collect::<Result<Vec<(String, Vec<Accepted>)>, String>>()
    })?;
    let paths = |topic: &str| {
        let path = |number| path(TIMED, topic, number);
        numbers.clone().map(path).collect::<Vec<_>>()
    };
    let expected: Vec<(String, &[Accepted])> = accepted
        .iter()
        .flat_map(|(topic, sent)| paths(topic).into_iter().map(|path| (path, sent.as_slice())))
        .collect();
    poll(|| first_attempts(&bench.sink.arrivals(), expected.iter().cloned()).lost == 0);
    let memory = bench.server.resident()?;
    let arrivals = bench.sink.take_arrivals();
    Ok((first_attempts(&arrivals, expected), memory))
}
