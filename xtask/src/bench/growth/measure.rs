//! Measures one size: memory, reads and accepts.

use std::path::Path;
use std::time::Duration;

use super::reads;
use super::sizes::Size;
use super::store::FilledServer;
use crate::bench::options::BenchOptions;
use crate::bench::streams;
use crate::bench::wrk::WrkLoad;

/// A step through the topics that is coprime to their numbers, so that neighbours are not sent to in turn.
const STRIDE: u32 = 7_919;

/// The figures of a size in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grown {
    /// Accepts a second.
    pub(super) rate: f64,
    /// CPU time of the server for an accept in microseconds.
    pub(super) micros: f64,
    /// CPU time of Redis for an accept in microseconds.
    pub(super) redis_micros: f64,
    /// Milliseconds: the 99th percentile of accepts.
    pub(super) p99: f64,
    /// Milliseconds: the median of pages of 50.
    pub(super) page: f64,
    /// Milliseconds: the median of reads of one message.
    pub(super) message: f64,
    /// Milliseconds: the median of messages that are the first of their topic.
    pub(super) first: f64,
    /// MiB resident after the reads, with the streams open.
    pub(super) resident: f64,
    /// MiB of the file or of Redis.
    pub(super) stored: f64,
    /// Milliseconds from the start to readiness.
    pub(super) ready: f64,
}

/// Measures reads, the first messages of topics, and accepts.
pub(super) fn run(
    filled: &FilledServer,
    options: &BenchOptions,
    size: &Size,
    directory: &Path,
) -> Result<Grown, String> {
    let FilledServer { server, sample, .. } = filled;
    let named = |error| format!("{}: {error}", size.name);
    let streams = streams::open(server.address, size.streams).map_err(named)?;
    let page = reads::pages(server.address, sample).map_err(named)?;
    let message = reads::messages(server.address, sample).map_err(named)?;
    let (resident, stored) = (server.resident()?, filled.stored()?);
    let first = reads::first_messages(server.address).map_err(named)?;
    let load = WrkLoad {
        connections: options.connections,
        duration: Duration::from_secs(options.seconds),
        directory,
    };
    let script = script(size.topics);
    let before = filled.redis_seconds()?;
    let accepts = server.measured(|| load.run_script(server.address, "/", Some(&script)))?;
    let of_redis = filled.redis_seconds()? - before;
    if accepts.failed > 0.0 {
        return Err(named(format!("{} requests failed", accepts.failed)));
    }
    drop(streams);
    let appends = accepts.rate * load.duration.as_secs_f64();
    Ok(Grown {
        rate: accepts.rate,
        micros: accepts.processor_micros,
        redis_micros: of_redis * 1e6 / appends.max(1.0),
        p99: accepts.p99,
        page,
        message,
        first,
        resident,
        stored,
        ready: server.ready.as_secs_f64() * 1e3,
    })
}

/// Sends to each of the topics in turn, or to one topic that nobody follows.
fn script(topics: u32) -> String {
    let topic = if topics > 0 {
        format!("'t' .. (number * {STRIDE} % {topics})")
    } else {
        "'other'".to_owned()
    };
    format!(
        "local number = 0\nlocal fields = {{['Content-Type'] = 'application/json'}}\n\
         local body = '{{\"message\":\"The quick brown fox jumps over the lazy dog\"}}'\n\
         request = function()\nnumber = number + 1\n\
         return wrk.format('POST', '/api/v1/topics/' .. {topic} .. '/messages', fields, body)\nend\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::sizes::SIZES;
    use super::*;

    #[test]
    fn every_topic_is_sent_to() {
        for size in SIZES.iter().filter(|size| size.topics > 0) {
            assert_ne!(size.topics % STRIDE, 0);
            assert!(script(size.topics).contains(&format!("% {})", size.topics)));
        }
        assert!(script(0).contains("'other'"));
    }
}
