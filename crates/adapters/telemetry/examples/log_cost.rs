//! Measures what logging one request costs, through the whole stack, when requests come one by
//! one: `cargo run --release -p posthorn-telemetry --example log_cost > /tmp/log`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::hint::{self, black_box};
use std::time::{Duration, Instant};

use posthorn_telemetry::{LogSettings, init};

const REQUESTS: u32 = 50_000;
/// The time from one request to the next: about what one of two busy cores sees.
const SPACING: Duration = Duration::from_micros(30);

fn main() {
    let _guard = init(&LogSettings::default(), None).unwrap();
    for _ in 0..3 {
        measure("nothing", || {});
        measure("an event that is filtered out", || {
            tracing::debug!(status = black_box(201_u16), "request finished");
        });
        measure("a span of 4 fields and an event of 6 in it", wide_span);
        measure("a span of 1 field and an event of 9 in it", narrow_span);
        measure(
            "a span of 1 field, the event of 10 after it",
            event_after_span,
        );
        measure("an event of 10 fields, no span", event_alone);
    }
}

fn wide_span() {
    let span = tracing::info_span!(
        "request",
        method = black_box("POST"),
        route = black_box("/api/v1/message"),
        client = black_box("203.0.113.7"),
        request_id = black_box("01998a52-5b32-7cc0-a6a3-5a4f8f4d2c11"),
    );
    let _entered = span.entered();
    tracing::info!(
        status = black_box(201_u16),
        latency_us = black_box(153_u64),
        bytes_in = black_box(64_u64),
        bytes_out = black_box(213_u64),
        version = black_box("1.1"),
        locale = black_box("ru"),
        "request finished"
    );
}

fn narrow_span() {
    let span = tracing::info_span!(
        "request",
        request_id = black_box("01998a52-5b32-7cc0-a6a3-5a4f8f4d2c11"),
    );
    let _entered = span.entered();
    tracing::info!(
        method = black_box("POST"),
        route = black_box("/api/v1/message"),
        client = black_box("203.0.113.7"),
        status = black_box(201_u16),
        latency_us = black_box(153_u64),
        bytes_in = black_box(64_u64),
        bytes_out = black_box(213_u64),
        version = black_box("1.1"),
        locale = black_box("ru"),
        "request finished"
    );
}

fn event_after_span() {
    let span = tracing::info_span!(
        "request",
        request_id = black_box("01998a52-5b32-7cc0-a6a3-5a4f8f4d2c11"),
    );
    drop(span.entered());
    event_alone();
}

fn event_alone() {
    tracing::info!(
        method = black_box("POST"),
        route = black_box("/api/v1/message"),
        client = black_box("203.0.113.7"),
        request_id = black_box("01998a52-5b32-7cc0-a6a3-5a4f8f4d2c11"),
        status = black_box(201_u16),
        latency_us = black_box(153_u64),
        bytes_in = black_box(64_u64),
        bytes_out = black_box(213_u64),
        version = black_box("1.1"),
        locale = black_box("ru"),
        "request finished"
    );
}

/// Calls `request` once every [`SPACING`] and keeps the thread busy between, so that all other
/// processor time of the process is that of the thread that writes.
fn measure(name: &str, mut request: impl FnMut()) {
    let cpu = process_cpu();
    let start = Instant::now();
    let mut spent = Duration::ZERO;
    for number in 0..REQUESTS {
        let due = start + SPACING * number;
        let mut now = Instant::now();
        while now < due {
            hint::spin_loop();
            now = Instant::now();
        }
        request();
        spent += now.elapsed();
    }
    let busy = start.elapsed();
    let writing = process_cpu().saturating_sub(cpu).saturating_sub(busy);
    let each = |time: Duration| time.as_nanos() as f64 / f64::from(REQUESTS);
    eprintln!(
        "{name}: {:.0} ns in the call, {:.0} ns on the writing thread",
        each(spent),
        each(writing),
    );
}

fn process_cpu() -> Duration {
    let stat = procfs::process::Process::myself().unwrap().stat().unwrap();
    Duration::from_millis((stat.utime + stat.stime) * 1000 / procfs::ticks_per_second())
}
