//! Workers that pull and acknowledge fifty messages at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::calls;
use super::targets::{WORKERS, verdict};
use super::topic::WorkTopic;
use crate::bench::resources;
use crate::bench::server::BenchServer;
use crate::http_client::HttpClient;

const PULL: &str = r#"{"max":50}"#;
const CONSUMER: &str = "throughput";

/// Measures and prints messages a second.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
pub(super) fn run(
    server: &BenchServer,
    topic: &WorkTopic,
    seconds: u64,
    least: f64,
) -> Result<(), String> {
    calls::create(topic, CONSUMER, "oldest")?;
    let stop = AtomicBool::new(false);
    let before = server.processor_seconds()?;
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let settled = thread::scope(|scope| {
        let worker = || work(topic, &stop, end);
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let mut settled = 0;
        for worker in workers {
            settled += worker
                .join()
                .map_err(|_| "a worker panicked".to_owned())??;
        }
        Ok::<_, String>(settled)
    })?;
    let elapsed = start.elapsed().as_secs_f64();
    let used = server.processor_seconds()? - before;
    let settled = f64::from(u32::try_from(settled).unwrap_or(u32::MAX));
    let rate = settled / elapsed;
    println!(
        "  pull and ack of 50      {rate:>10.0} messages/s, {:.1} us CPU a message, {:.1} MiB; at \
         least {least:.0}: {}",
        used * 1e6 / settled,
        resources::resident_mib(server.id())?,
        verdict(rate >= least),
    );
    Ok(())
}

/// The number of messages that one worker acknowledged until `end`, or until nothing waits.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn work(topic: &WorkTopic, stop: &AtomicBool, end: Instant) -> Result<u64, String> {
    let consumer = topic.consumer(CONSUMER);
    let (pull, ack) = (format!("{consumer}/pull"), format!("{consumer}/ack"));
    let mut client = HttpClient::new(topic.address);
    let mut settled = 0;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        let pulled = calls::post(&mut client, &pull, PULL)?;
        let (body, count) = calls::ack_body(&pulled);
        if count == 0 {
            stop.store(true, Ordering::Relaxed);
            break;
        }
        let response = calls::post(&mut client, &ack, &body)?;
        if !response.contains(&format!(r#""settled":{count}"#)) {
            return Err(format!("{count} leases: {response}"));
        }
        settled += count;
    }
    Ok(settled)
}
