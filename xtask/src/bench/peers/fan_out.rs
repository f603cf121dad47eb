//! One message to many readers: the CPU time of each delivery, and the time from the acknowledgement to the frame.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::launch::RunningProduct;
use super::products::{Description, Product};
use super::readers::{Arrival, FanOutReaders, numbered};
use super::requests::{sending, stream_path};
use crate::bench::options::BenchOptions;
use crate::bench::server::Binaries;
use crate::http_client::HttpClient;

/// The products that have Server-Sent Events of the accepted messages.
pub(super) const FANNED_OUT: [Product; 6] = [
    Product::Memory,
    Product::NchanMemory,
    Product::Embedded,
    Product::DurableStreams,
    Product::Redis,
    Product::NchanRedis,
];
/// Messages a second.
pub(super) const MESSAGES_PER_SECOND: u32 = 60;
/// The longest time until every reader has its first message.
const PATIENCE: Duration = Duration::from_mins(1);
/// The time between two messages that wait for the readers to be there.
const PAUSE: Duration = Duration::from_millis(200);

/// The figures of one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deliveries {
    /// Deliveries a second.
    pub(super) rate: f64,
    /// CPU time of the server for each delivery, in microseconds, that of accepting included.
    pub(super) server_micros: f64,
    /// The same of the Redis behind it; NaN without a Redis.
    pub(super) redis_micros: f64,
    /// Milliseconds from the acknowledgement of a message to its frame; negative if the frame was first.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Messages that did not reach a reader in time.
    pub(super) missing: f64,
}

/// Starts a product, opens the readers, and sends at a fixed rate.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
pub(super) fn measure(
    description: &Description,
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    directory: &Path,
) -> Result<Deliveries, String> {
    let product = description.product;
    let named = |error| format!("{}, fan-out: {error}", description.name);
    let running = RunningProduct::start(product, binaries, workers, directory);
    let running = running
        .map_err(named)?
        .ok_or_else(|| named("it has no such mode".to_owned()))?;
    let mut sender = Sender {
        client: HttpClient::new(running.address),
        product,
    };
    let readers = FanOutReaders::open(running.address, stream_path(product), options.readers);
    let mut readers = readers.map_err(|error| named(error.to_string()))?;
    warm_up(&mut sender, &mut readers).map_err(named)?;
    let messages = MESSAGES_PER_SECOND * u32::try_from(options.seconds).unwrap_or(1);
    let before = running.cpu_time()?;
    let start = Instant::now();
    let finished = AtomicBool::new(false);
    let (acknowledged, arrivals) = thread::scope(|scope| {
        let reading = scope.spawn(|| readers.read_all(messages, &finished));
        let acknowledged = sender.send_paced(start, messages);
        finished.store(true, Ordering::Release);
        let arrivals = reading
            .join()
            .map_err(|_| "the reader panicked".to_owned())?;
        Ok::<_, String>((acknowledged, arrivals.map_err(|error| error.to_string())?))
    })
    .map_err(named)?;
    let after = running.cpu_time()?;
    let delivered = u32::try_from(arrivals.len()).map_or(f64::INFINITY, f64::from);
    let last = arrivals.iter().map(|arrival| arrival.at).max();
    let elapsed = last.map_or(f64::NAN, |last| (last - start).as_secs_f64());
    let delays = delays(&acknowledged, &arrivals);
    let micros = |seconds: f64| seconds * 1e6 / delivered.max(1.0);
    let redis_micros = micros(after.redis - before.redis);
    Ok(Deliveries {
        rate: delivered / elapsed,
        server_micros: micros(after.server - before.server),
        redis_micros: if product.uses_redis() {
            redis_micros
        } else {
            f64::NAN
        },
        p50: nearest_rank(&delays, 50),
        p99: nearest_rank(&delays, 99),
        missing: f64::from(messages) * f64::from(options.readers) - delivered,
    })
}

/// Sends messages until every reader has had one, so that none is too late for the first that counts.
#[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
fn warm_up(sender: &mut Sender, readers: &mut FanOutReaders) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    loop {
        sender.send(0)?;
        if readers
            .have_all_read(PAUSE)
            .map_err(|error| error.to_string())?
        {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("a reader had no message in {PATIENCE:?}"));
        }
    }
}

/// Sends messages one after the other.
#[derive(Debug)]
struct Sender {
    client: HttpClient,
    product: Product,
}

impl Sender {
    fn send(&mut self, number: u32) -> Result<(), String> {
        let request = sending(self.product, &numbered(number));
        let response = self
            .client
            .post(request.path, request.header, &request.body);
        match response {
            Ok(response) if response.status < 300 => Ok(()),
            Ok(response) => Err(format!(
                "message {number}: {} {}",
                response.status, response.body
            )),
            Err(error) => Err(format!("message {number}: {error}")),
        }
    }

    /// Sends the messages from 1 on, each when it is due; returns when each was acknowledged. One that is refused
    /// is missed by every reader.
    #[expect(clippy::disallowed_methods, reason = "the bench measures real time")]
    fn send_paced(&mut self, start: Instant, messages: u32) -> Vec<Instant> {
        let mut acknowledged = Vec::new();
        for number in 1..=messages {
            let due = start + Duration::from_secs(1) / MESSAGES_PER_SECOND * number;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if let Err(error) = self.send(number) {
                println!("{error}");
            }
            acknowledged.push(Instant::now());
        }
        acknowledged
    }
}

/// The delay of each delivery in milliseconds, sorted.
fn delays(acknowledged: &[Instant], arrivals: &[Arrival]) -> Vec<f64> {
    let delay = |arrival: &Arrival| {
        let index = usize::try_from(arrival.number).ok()?.checked_sub(1)?;
        let acknowledged = *acknowledged.get(index)?;
        let after = arrival.at.saturating_duration_since(acknowledged);
        let before = acknowledged.saturating_duration_since(arrival.at);
        Some((after.as_secs_f64() - before.as_secs_f64()) * 1e3)
    };
    let mut delays: Vec<f64> = arrivals.iter().filter_map(delay).collect();
    delays.sort_unstable_by(f64::total_cmp);
    delays
}

/// A percentile; NaN without a value.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a point in time to count from")]
    fn a_frame_may_come_before_the_acknowledgement() {
        let first = Instant::now();
        let millis = Duration::from_millis;
        let start = first + millis(2);
        let acknowledged = [start, start + millis(10)];
        let arrival = |number, at| Arrival { number, at };
        let arrivals = [
            arrival(1, first),
            arrival(2, start + millis(13)),
            arrival(3, start),
        ];
        let found = delays(&acknowledged, &arrivals);
        assert_eq!(found.len(), 2);
        assert!((found[0] + 2.0).abs() < 1e-6 && (found[1] - 3.0).abs() < 1e-6);
        assert!((nearest_rank(&found, 99) - 3.0).abs() < 1e-6);
        assert!((nearest_rank(&found, 50) + 2.0).abs() < 1e-6);
        assert!(nearest_rank(&[], 50).is_nan());
    }
}
