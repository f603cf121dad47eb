//! Compares what logging one request costs: Posthorn's line writer and queue, and the libraries that could replace
//! them. `cargo run --release -p posthorn-telemetry --example log_cost`.
//!
//! Each arm runs in a process of its own, in turns, as a process has one subscriber. Requests come one by one, as the
//! wake-up of the writing thread is a part of the cost.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement"
)]

use std::fs::File;
use std::hint::{self, black_box};
use std::io::{self, BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use posthorn_application::AppIdentity;
use posthorn_telemetry::{LogSettings, init};
use rustix::time::{ClockId, clock_gettime};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

const ROUNDS: usize = 7;
const REQUESTS: u32 = 50_000;
/// The time from one request to the next: about what one of two busy cores sees.
const SPACING: Duration = Duration::from_micros(30);

/// What is compared, each with the name of its arm.
const ARMS: [(&str, &str); 6] = [
    ("none", "no subscriber"),
    ("posthorn", "our line writer, our queue"),
    (
        "library",
        "tracing-bunyan-formatter with its span storage, tracing-appender",
    ),
    (
        "storage",
        "tracing-bunyan-formatter with its span storage, no output",
    ),
    ("formatter", "tracing-bunyan-formatter, no output"),
    ("appender", "a ready line, tracing-appender"),
];

/// A line as long as that of a request.
const LINE: [u8; 600] = [b'x'; 600];

/// The formatter without the records that it writes at the start and the end of a span.
struct EventsOnly<L>(L);

impl<S, L> Layer<S> for EventsOnly<L>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.0.on_event(event, context);
    }
}

/// Writes [`LINE`] for each event.
struct ReadyLine<W>(W);

impl<S, W> Layer<S> for ReadyLine<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        let _ = self.0.make_writer().write_all(&LINE);
    }
}

fn main() {
    let mut arguments = env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(arm), Some(report)) => run_arm(&arm, &report),
        _ => compare(),
    }
}

/// Runs all arms in turns and prints the median of each.
fn compare() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let mut figures = ARMS.map(|_| Vec::<(u64, u64)>::new());
    for _ in 0..ROUNDS {
        for ((arm, _), figures) in ARMS.iter().zip(&mut figures) {
            let log = File::create(directory.path().join("log")).unwrap();
            let mut command = Command::new(env::current_exe().unwrap());
            command.arg(arm).arg(&report).stdout(Stdio::from(log));
            assert!(command.status().unwrap().success());
            let text = fs::read_to_string(&report).unwrap();
            let (call, thread) = text.split_once(' ').unwrap();
            figures.push((call.parse().unwrap(), thread.parse().unwrap()));
        }
    }
    for ((_, name), figures) in ARMS.iter().zip(figures) {
        let (call, thread): (Vec<u64>, Vec<u64>) = figures.into_iter().unzip();
        println!(
            "{name}: {} ns in the call, {} ns on the writing thread",
            median(call),
            median(thread)
        );
    }
}

/// Measures one arm; writes its two figures, in nanoseconds for each request, to the file `report`.
fn run_arm(arm: &str, report: &str) {
    let level = LevelFilter::INFO;
    let mut appender: Option<WorkerGuard> = None;
    let mut start_appender = || {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(10_000)
            .finish(BufWriter::new(io::stdout()));
        appender = Some(guard);
        writer
    };
    let formatter = "posthorn".to_owned();
    let mut ours = None;
    match arm {
        "posthorn" => {
            let identity = AppIdentity {
                name: "posthorn".into(),
                version: "1".into(),
                environment: "testing".into(),
                instance: "pod".into(),
            };
            ours = Some(init(&identity, &LogSettings::default(), None).unwrap());
        }
        "library" => {
            let layer = BunyanFormattingLayer::new(formatter, start_appender());
            let subscriber = tracing_subscriber::registry().with(level);
            let subscriber = subscriber.with(JsonStorageLayer);
            subscriber.with(EventsOnly(layer)).init();
        }
        "storage" => {
            let layer = BunyanFormattingLayer::new(formatter, io::sink);
            let subscriber = tracing_subscriber::registry().with(level);
            let subscriber = subscriber.with(JsonStorageLayer);
            subscriber.with(EventsOnly(layer)).init();
        }
        "formatter" => {
            let layer = BunyanFormattingLayer::new(formatter, io::sink);
            let subscriber = tracing_subscriber::registry().with(level);
            subscriber.with(EventsOnly(layer)).init();
        }
        "appender" => {
            let layer = ReadyLine(start_appender());
            let subscriber = tracing_subscriber::registry().with(level);
            subscriber.with(layer).init();
        }
        _ => {}
    }
    let (call, thread) = measure(request_line);
    drop((ours, appender));
    fs::write(report, format!("{call} {thread}")).unwrap();
}

/// The request's span, and its line after it, with the fields of `middleware/request_line.rs` in `posthorn-http`.
fn request_line() {
    let span = tracing::info_span!(
        "request",
        request_id = black_box("01998a52-5b32-7cc0-a6a3-5a4f8f4d2c11"),
        trace_id = black_box("0af7651916cd43dd8448eb211c80319c"),
        span_id = black_box("b7ad6b7169203331"),
        otel.kind = "server",
        http.request.method = black_box("POST"),
        url.path = black_box("/api/v1/message"),
        url.scheme = "http",
        client.address = black_box("203.0.113.7"),
    );
    drop(span.entered());
    tracing::info!(
        request_id = black_box("01998a52-5b32-7cc0-a6a3-5a4f8f4d2c11"),
        trace_id = black_box("0af7651916cd43dd8448eb211c80319c"),
        span_id = black_box("b7ad6b7169203331"),
        method = black_box("POST"),
        route = black_box("/api/v1/message"),
        path = black_box(Some("/api/v1/message")),
        topic = black_box(Some("inbox")),
        status = black_box(201_u16),
        code = black_box(None::<&str>),
        cause = black_box(None::<&str>),
        latency_ms = black_box(0.153),
        client = black_box("203.0.113.7"),
        user_agent = black_box(Some("curl/8.14.1")),
        http_version = black_box(Some("1.1")),
        bytes_in = black_box(43_u64),
        bytes = black_box(213_u64),
        sub = black_box(None::<&str>),
        jti = black_box(None::<&str>),
        "request finished"
    );
}

/// Calls `request` once every [`SPACING`] and keeps the thread busy between. Returns the median time of a call and the
/// processor time of all other threads for each request, in nanoseconds.
fn measure(mut request: impl FnMut()) -> (u64, u64) {
    let before = other_threads_cpu();
    let start = Instant::now();
    let mut calls = Vec::new();
    for number in 0..REQUESTS {
        let due = start + SPACING * number;
        while Instant::now() < due {
            hint::spin_loop();
        }
        let begin = Instant::now();
        request();
        calls.push(u64::try_from(begin.elapsed().as_nanos()).unwrap());
    }
    let writing = other_threads_cpu().saturating_sub(before) / REQUESTS;
    (median(calls), u64::try_from(writing.as_nanos()).unwrap())
}

fn other_threads_cpu() -> Duration {
    let cpu = |clock| {
        let time = clock_gettime(clock);
        let nanoseconds = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap())
    };
    cpu(ClockId::ProcessCPUTime).saturating_sub(cpu(ClockId::ThreadCPUTime))
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap()
}
