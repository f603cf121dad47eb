//! A load at a fixed rate, which wrk cannot do. Requests are due at fixed times whatever the answers
//! do, and a latency counts from when its request was due: a server that stalls is charged for
//! everything that had to wait, too.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::wrk::Answers;
use crate::http_client::Connection;

/// How fast, how long and over how many connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) connections: u16,
    pub(super) duration: Duration,
    /// Requests a second.
    pub(super) rate: f64,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<Duration>,
    failed: u32,
}

/// Sends POSTs of the JSON `body`, the connections in turn.
#[expect(
    clippy::disallowed_methods,
    reason = "it is real time that is measured"
)]
pub(super) fn run(
    address: SocketAddr,
    path: &str,
    body: &str,
    pace: Pace,
) -> Result<Answers, String> {
    if pace.rate < 1.0 {
        return Err("there is no load to take half of".to_owned());
    }
    let start = Instant::now();
    let seen = thread::scope(|scope| {
        let connection =
            |number| scope.spawn(move || send(address, path, body, pace, start, number));
        let threads: Vec<_> = (0..pace.connections).map(connection).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().ok())
            .collect::<Option<Vec<_>>>()
    });
    let elapsed = start.elapsed();
    Ok(summed(seen.ok_or("a client thread has panicked")?, elapsed))
}

/// The requests of one connection: each is due one turn of all connections after the last.
#[expect(
    clippy::disallowed_methods,
    reason = "it is real time that is measured"
)]
fn send(
    address: SocketAddr,
    path: &str,
    body: &str,
    pace: Pace,
    start: Instant,
    number: u16,
) -> Seen {
    let mut connection = Connection::new(address);
    let mut seen = Seen::default();
    let turn = Duration::from_secs_f64(f64::from(pace.connections) / pace.rate);
    let mut due = start + Duration::from_secs_f64(f64::from(number) / pace.rate);
    while due < start + pace.duration {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        match connection.post(path, "", body) {
            Ok(answer) if answer.status < 300 => seen.latencies.push(due.elapsed()),
            _ => seen.failed += 1,
        }
        due += turn;
    }
    seen
}

fn summed(seen: Vec<Seen>, elapsed: Duration) -> Answers {
    let failed = seen.iter().map(|seen| f64::from(seen.failed)).sum();
    let mut latencies: Vec<Duration> = seen.into_iter().flat_map(|seen| seen.latencies).collect();
    latencies.sort_unstable();
    let requests = u32::try_from(latencies.len()).map_or(f64::INFINITY, f64::from) + failed;
    Answers {
        requests,
        rate: requests / elapsed.as_secs_f64(),
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
        failed,
    }
}

/// A percentile by the nearest rank, in milliseconds; infinite when there is no value.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    let value = sorted.get(rank.saturating_sub(1));
    value.map_or(f64::INFINITY, |latency| latency.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_the_nearest_rank() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile(&sorted, 50) - 100.0).abs() < 1e-9);
        assert!((percentile(&sorted, 99) - 198.0).abs() < 1e-9);
        assert!(percentile(&[], 99).is_infinite());
    }

    #[test]
    fn a_request_without_an_answer_is_a_failure() {
        let nobody = crate::process::free_address().unwrap();
        let pace = Pace {
            connections: 2,
            duration: Duration::from_millis(20),
            rate: 200.0,
        };
        let answers = run(nobody, "/", "", pace).unwrap();
        assert!(answers.failed > 0.0 && (answers.failed - answers.requests).abs() < 1e-9);
    }
}
