//! Measures what counting one request costs, on one thread and on two at once, and what an
//! exposition costs, which it prints to standard output:
//! `cargo run --release -p posthorn-telemetry --example metrics_cost`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use posthorn_application::{AppIdentity, Clock};
use posthorn_telemetry::Metrics;
use posthorn_testkit::FakeClock;

const REQUESTS: u32 = 2_000_000;
const EXPOSITIONS: u32 = 1000;

fn main() {
    let identity = AppIdentity {
        name: "posthorn".into(),
        version: "0".into(),
        environment: "testing".into(),
        instance: "pod".into(),
    };
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::new());
    let metrics = Metrics::new(&identity, clock);
    for _ in 0..3 {
        eprintln!("one thread: {:.0} ns a request", measure(&metrics));
        let (left, right) = thread::scope(|scope| {
            let other = scope.spawn(|| measure(&metrics));
            (measure(&metrics), other.join().unwrap_or_default())
        });
        eprintln!("two threads: {left:.0} and {right:.0} ns a request");
    }
    let start = Instant::now();
    let mut text = String::new();
    for _ in 0..EXPOSITIONS {
        text = metrics.render().unwrap_or_default();
    }
    eprintln!("an exposition: {:?}", start.elapsed() / EXPOSITIONS);
    print!("{text}");
}

fn measure(metrics: &Metrics) -> f64 {
    let start = Instant::now();
    for number in 0..REQUESTS {
        metrics.request_started();
        metrics.request_finished(
            black_box("POST"),
            black_box("/api/v1/message"),
            black_box(201),
            Duration::from_micros(u64::from(number % 1000)),
        );
    }
    start.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
}
