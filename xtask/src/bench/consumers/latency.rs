//! The latency of single messages: pull and acknowledgement at a fixed rate, and the first hand-out.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::calls;
use super::targets::{WORKERS, verdict};
use super::topic::WorkTopic;
use crate::bench::paced::{self, Pace};
use crate::http_client::HttpClient;

/// The target of both, in milliseconds.
const MOST: f64 = 5.0;
const CONSUMER: &str = "latency";
/// The messages whose first hand-out is measured.
const FIRST: usize = 1_000;
/// The hundredth part of them that may be slower.
const SLOWER: usize = FIRST / 100;

/// Measures and prints the latency of a pull and an acknowledgement of one message, at `rate` a second.
pub(super) fn run(topic: &WorkTopic, seconds: u64, rate: f64) -> Result<(), String> {
    calls::create(topic, CONSUMER, "oldest")?;
    let path = topic.consumer(CONSUMER);
    let pull = paced::post(&format!("{path}/pull"), r#"{"max":1}"#);
    let pace = Pace {
        connections: WORKERS,
        duration: Duration::from_secs(seconds),
        rate,
    };
    let figures = paced::run_with(topic.address, pull, pace, ack)?;
    println!(
        "  pull and ack of 1       {:>10.0} messages/s, {:.2} ms p50, {:.2} ms p99, {:.0} failed; p99 \
         under {MOST} ms: {}",
        figures.rate,
        figures.p50,
        figures.p99,
        figures.failed,
        verdict(figures.p99 < MOST && figures.failed < 1.0),
    );
    Ok(())
}

/// The acknowledgement of the pulled message; `None` if `response` is that of the acknowledgement.
fn ack(response: &[u8]) -> Option<Vec<u8>> {
    let response = std::str::from_utf8(response).ok()?;
    let (body, count) = calls::ack_body(response);
    let path = format!("/api/v1/topics/inbox/consumers/{CONSUMER}/ack");
    (count == 1).then(|| paced::post(&path, &body))
}

/// Measures and prints the time from the receipt of a message to its hand-out to a waiting pull.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
pub(super) fn first_hand_out(topic: &WorkTopic) -> Result<(), String> {
    calls::create(topic, CONSUMER, "oldest")?;
    let path = topic.consumer(CONSUMER);
    let (pull, ack) = (format!("{path}/pull"), format!("{path}/ack"));
    let messages = topic.messages();
    let (sender, handed_out) = mpsc::channel();
    let address = topic.address;
    let worker = thread::spawn(move || -> Result<(), String> {
        let mut client = HttpClient::new(address);
        for _ in 0..FIRST {
            let mut pulled = calls::post(&mut client, &pull, r#"{"max":1,"wait_seconds":10}"#)?;
            let received = Instant::now();
            while calls::ack_body(&pulled).1 == 0 {
                pulled = calls::post(&mut client, &pull, r#"{"max":1,"wait_seconds":10}"#)?;
            }
            calls::post(&mut client, &ack, &calls::ack_body(&pulled).0)?;
            sender.send(received).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    let mut writer = HttpClient::new(topic.address);
    let mut latencies = Vec::with_capacity(FIRST);
    for _ in 0..FIRST {
        calls::post(&mut writer, &messages, r#"{"message":"first"}"#)?;
        let receipt = Instant::now();
        let received = handed_out.recv_timeout(Duration::from_secs(30));
        let received = received.map_err(|error| format!("the worker: {error}"))?;
        latencies.push(received.saturating_duration_since(receipt));
    }
    worker.join().map_err(|_| "the worker panicked")??;
    latencies.sort_unstable();
    let of = |index: usize| {
        latencies
            .get(index)
            .map_or(f64::NAN, |l| l.as_secs_f64() * 1e3)
    };
    let p99 = of(FIRST - SLOWER - 1);
    println!(
        "  first hand-out          {:>10.2} ms p50, {p99:.2} ms p99 after the receipt; at most {MOST} \
         ms: {}",
        of(FIRST / 2),
        verdict(p99 <= MOST),
    );
    Ok(())
}
