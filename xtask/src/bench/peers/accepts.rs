//! The highest rate at which each product acknowledges messages, and the CPU time for each.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::launch::RunningProduct;
use super::nats_load;
use super::products::{Description, Product};
use super::requests::sending;
use crate::bench::options::BenchOptions;
use crate::bench::server::Binaries;
use crate::bench::stores;
use crate::bench::wrk::{LoadFigures, WrkLoad};
use crate::shell::capture;

/// The text of each message: 64 bytes.
pub(super) const TEXT: &str = "The quick brown fox jumps over the lazy dog, 64 bytes in a row..";
/// Messages that `redis-benchmark` appends.
const APPENDED: u32 = 500_000;

/// The figures of a product in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepts {
    /// Acknowledged messages a second.
    pub(super) rate: f64,
    /// CPU time of the server for each message, in microseconds; NaN without a server.
    pub(super) server_micros: f64,
    /// The same of the Redis behind it; NaN without a Redis.
    pub(super) redis_micros: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    /// Requests without a successful response.
    pub(super) failed: f64,
}

/// Starts a product and loads it. `Ok(None)` if its installed version has no such mode.
pub(super) fn measure(
    description: &Description,
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    directory: &Path,
) -> Result<Option<Accepts>, String> {
    let product = description.product;
    let named = |error| format!("{}: {error}", description.name);
    let running = RunningProduct::start(product, binaries, workers, directory);
    let Some(running) = running.map_err(named)? else {
        return Ok(None);
    };
    let before = running.cpu_time()?;
    let figures = load(product, &running, options).map_err(named)?;
    let after = running.cpu_time()?;
    let micros = |seconds: f64, is_part: bool| {
        let micros = seconds * 1e6 / figures.requests.max(1.0);
        if is_part { micros } else { f64::NAN }
    };
    Ok(Some(Accepts {
        rate: figures.rate,
        server_micros: micros(after.server - before.server, product != Product::RedisAlone),
        redis_micros: micros(after.redis - before.redis, product.uses_redis()),
        p50: figures.p50,
        p99: figures.p99,
        failed: figures.failed,
    }))
}

fn load(
    product: Product,
    running: &RunningProduct,
    options: &BenchOptions,
) -> Result<LoadFigures, String> {
    let duration = Duration::from_secs(options.seconds);
    match product {
        Product::RedisAlone => appends(running),
        Product::JetStream | Product::JetStreamSynced => {
            nats_load::run(running.address, TEXT, options.connections, duration)
        }
        _ => {
            let load = WrkLoad {
                connections: options.connections,
                duration,
                directory: running.directory(),
            };
            let request = sending(product, TEXT);
            load.run_script(running.address, request.path, Some(&request.script()))
        }
    }
}

/// Appends by `redis-benchmark`. It reports the times of whole pipelines, which are left out.
fn appends(running: &RunningProduct) -> Result<LoadFigures, String> {
    let mut bench = Command::new("redis-benchmark");
    bench.args(["-p", &running.address.port().to_string(), "-q", "-c", "2"]);
    bench.args(["-n", &APPENDED.to_string(), "-P", stores::PIPELINE]);
    let printed = capture(bench.args(["XADD", "bench", "*", "content", TEXT]))?;
    let rate = stores::benchmark_rate(&printed);
    Ok(LoadFigures {
        requests: f64::from(APPENDED),
        rate: rate.ok_or_else(|| format!("redis-benchmark printed no rate: {printed}"))?,
        p50: f64::NAN,
        p99: f64::NAN,
        failed: 0.0,
    })
}
