//! The cost of a consumer for accepting messages.

use std::path::Path;
use std::time::Duration;

use super::calls;
use super::targets::{WORKERS, verdict};
use super::topic::WorkTopic;
use crate::bench::figures::median;
use crate::bench::server::BenchServer;
use crate::bench::wrk::WrkLoad;

/// Pairs of measurements, one of each in turn.
const PAIRS: usize = 4;
const BODY: &str = r#"{"message":"accepting"}"#;
/// The share of the rate without a consumer that must be left.
const LEAST: f64 = 0.90;

/// Measures and prints the rates of accepting on a topic without a consumer and on one with it.
pub(super) fn run(server: &BenchServer, seconds: u64, directory: &Path) -> Result<(), String> {
    let plain = WorkTopic::new(server.address, "plain");
    let consumed = WorkTopic::new(server.address, "consumed");
    calls::create(&consumed, "idle", "oldest")?;
    let (mut without, mut shares) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let load = WrkLoad {
            connections: WORKERS,
            duration: Duration::from_secs(seconds.div_ceil(2)),
            directory,
        };
        let rate = |topic: &WorkTopic| {
            let figures = load.run(server.address, &topic.messages(), Some(BODY))?;
            if figures.failed > 0.0 {
                return Err(format!("{} messages were not accepted", figures.failed));
            }
            Ok(figures.rate)
        };
        let (first, second) = (rate(&plain)?, rate(&consumed)?);
        without.push(first);
        shares.push(second / first);
    }
    let share = median(shares);
    println!(
        "  accepting               {:>10.0} messages/s without a consumer, {:.0} % of it with one; at \
         least {:.0} %: {}",
        median(without),
        share * 100.0,
        LEAST * 100.0,
        verdict(share >= LEAST),
    );
    Ok(())
}
