//! Measures one size: memory, reads and accepts.

use std::time::Duration;

use super::reads;
use super::sizes::{Size, StoreFile};
use crate::bench::options::BenchOptions;
use crate::bench::server::{BenchServer, Binaries, ServerKind, ServerLaunch};
use crate::bench::streams;
use crate::bench::wrk::WrkLoad;

/// Nothing is pruned and no topic rejected, so that a size stays what it is.
const UNBOUNDED: [(&str, &str); 4] = [
    ("RETENTION_COUNT", "1000000000"),
    ("RETENTION_AGE", "3650d"),
    ("MAX_TOPICS", "1000000"),
    ("MAX_STREAMS", "20000"),
];
/// A step through the topics that is coprime to their numbers, so that neighbours are not sent to in turn.
const STRIDE: u32 = 7_919;

/// The figures of a size in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grown {
    /// Accepts a second.
    pub(super) rate: f64,
    /// CPU time of an accept in microseconds.
    pub(super) micros: f64,
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
    /// MiB of the database.
    pub(super) file: f64,
    /// Milliseconds from the start to readiness.
    pub(super) ready: f64,
}

/// Starts a server on a copy of `file`, and measures.
pub(super) fn run(
    binaries: &Binaries,
    options: &BenchOptions,
    workers: usize,
    file: &StoreFile,
    size: &Size,
) -> Result<Grown, String> {
    let directory = tempfile::tempdir_in(file.directory()).map_err(|error| error.to_string())?;
    let path = file.copy(directory.path())?;
    let bytes = std::fs::metadata(&path).map_err(|error| error.to_string())?;
    let store = format!("file:{}", path.display());
    let launch = ServerLaunch {
        binary: binaries.of(ServerKind::Posthorn),
        workers,
        directory: directory.path(),
        store: &store,
    };
    let server = BenchServer::start_with(ServerKind::Posthorn, &launch, &UNBOUNDED)?;
    let named = |error| format!("{}: {error}", size.name);
    let streams = streams::open(server.address, size.streams).map_err(named)?;
    let page = reads::pages(server.address, &file.sample).map_err(named)?;
    let message = reads::messages(server.address, &file.sample).map_err(named)?;
    let resident = server.resident()?;
    let first = reads::first_messages(server.address).map_err(named)?;
    let load = WrkLoad {
        connections: options.connections,
        duration: Duration::from_secs(options.seconds),
        directory: directory.path(),
    };
    let script = script(size.topics);
    let accepts = server.measured(|| load.run_script(server.address, "/", Some(&script)))?;
    if accepts.failed > 0.0 {
        return Err(named(format!("{} requests failed", accepts.failed)));
    }
    drop(streams);
    Ok(Grown {
        rate: accepts.rate,
        micros: accepts.processor_micros,
        p99: accepts.p99,
        page,
        message,
        first,
        resident,
        file: mebibytes(bytes.len()),
        ready: server.ready.as_secs_f64() * 1e3,
    })
}

fn mebibytes(bytes: u64) -> f64 {
    // Files of a bench are far below the size from which this would be inexact.
    u32::try_from(bytes >> 10).map_or(f64::INFINITY, f64::from) / 1024.0
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

    #[test]
    fn sizes_are_in_mebibytes() {
        assert!((mebibytes(3 << 20) - 3.0).abs() < 1e-9);
    }
}
