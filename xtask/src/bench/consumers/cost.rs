//! The cost of calls by the number of waiting messages.

use std::time::Instant;

use super::calls;
use super::targets::{STORED, verdict};
use super::topic::WorkTopic;
use crate::http_client::HttpClient;

/// The calls of each kind.
const CALLS: usize = 500;
/// The messages that wait in the small case.
const FEW: usize = 10;
/// The most by which the median of a call may grow.
const MOST_GROWTH: f64 = 1.5;

/// The medians of the calls, in milliseconds.
struct CallCost {
    pull: f64,
    ack: f64,
    status: f64,
}

/// Measures and prints the costs beside ten waiting messages and beside all.
pub(super) fn run(filled: &WorkTopic) -> Result<(), String> {
    let few = WorkTopic::new(filled.address, "few");
    let few = costs(&few, FEW)?;
    let many = costs(filled, 0)?;
    let line = |name: &str, few: f64, many: f64| {
        println!(
            "  {name:6} {few:>7.3} ms beside {FEW} waiting, {many:.3} ms beside {STORED}: {}",
            verdict(many < few * MOST_GROWTH)
        );
    };
    line("pull", few.pull, many.pull);
    line("ack", few.ack, many.ack);
    line("status", few.status, many.status);
    Ok(())
}

/// Calls on a topic with its messages and `kept` more, of which none is left to be consumed.
fn costs(topic: &WorkTopic, kept: usize) -> Result<CallCost, String> {
    let mut client = HttpClient::new(topic.address);
    let messages = topic.messages();
    let send = |client: &mut HttpClient| calls::post(client, &messages, r#"{"message":"few"}"#);
    for _ in 0..kept {
        send(&mut client)?;
    }
    calls::create(topic, "cost", "oldest")?;
    let path = topic.consumer("cost");
    let (pull, ack) = (format!("{path}/pull"), format!("{path}/ack"));
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..CALLS {
        if kept > 0 {
            send(&mut client)?;
        }
        let mut pulled = String::new();
        let [pulls, acks, states] = &mut times;
        timed(pulls, || {
            pulled = calls::post(&mut client, &pull, r#"{"max":1}"#)?;
            Ok(())
        })?;
        let (body, _) = calls::ack_body(&pulled);
        timed(acks, || calls::post(&mut client, &ack, &body).map(drop))?;
        timed(states, || {
            calls::number(&mut client, &path, "waiting").map(drop)
        })?;
    }
    let [pull, ack, status] = times.map(crate::bench::figures::median);
    Ok(CallCost { pull, ack, status })
}

#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn timed(times: &mut Vec<f64>, call: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let start = Instant::now();
    call()?;
    times.push(start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
