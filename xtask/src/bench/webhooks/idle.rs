//! The cost of webhooks without messages.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::rig::WebhookBench;
use crate::bench::verdict::verdict;

/// The number of idle webhooks, each on a topic of its own.
const WEBHOOKS: usize = 1_000;
/// Longer than the interval at which a process reads all webhooks.
const IDLE: Duration = Duration::from_secs(35);
/// Without webhooks there is nothing that comes less often than each second.
const IDLE_BEFORE: Duration = Duration::from_secs(5);
/// The most CPU time of one second more, in milliseconds: that of the clocks, of the look at all webhooks
/// every 30 seconds, and of polling the newest ids in case an announcement is lost.
const MOST_CPU: f64 = 10.0;

/// Measures and prints the CPU time of idle webhooks.
pub(super) fn run(bench: &WebhookBench) -> Result<(), String> {
    let before = cpu_of_idling(bench, IDLE_BEFORE)?;
    let memory = bench.server.resident()?;
    for number in 0..WEBHOOKS {
        let webhook = ("w".to_owned(), bench.sink.url("/"));
        bench
            .calls
            .put(&format!("idle-{number}"), [webhook], &json!({}))?;
    }
    // The server still starts the last ones.
    cpu_of_idling(bench, IDLE_BEFORE)?;
    let idle = cpu_of_idling(bench, IDLE)?;
    println!(
        "  {WEBHOOKS} idle webhooks      {idle:>10.1} ms CPU a second, {before:.1} without them; under {MOST_CPU} \
         ms more: {}; {:.1} MiB more",
        verdict(idle < before + MOST_CPU),
        bench.server.resident()? - memory,
    );
    Ok(())
}

/// The CPU time of the server in one second without messages, in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn cpu_of_idling(bench: &WebhookBench, duration: Duration) -> Result<f64, String> {
    let before = bench.server.processor_seconds()?;
    thread::sleep(duration);
    let used = bench.server.processor_seconds()? - before;
    Ok(used * 1e3 / duration.as_secs_f64())
}
