//! The sizes of the load and the targets.

pub(super) use crate::bench::verdict::verdict;

/// The number of messages that wait in the filled topic.
pub(super) const STORED: u32 = 1_000_000;
/// The workers of the throughput, and the connections of the paced load.
pub(super) const WORKERS: u16 = 64;
/// The target of the embedded store, in messages a second.
pub(super) const LEAST_EMBEDDED: f64 = 40_000.0;
/// The target of Redis, in messages a second.
pub(super) const LEAST_REDIS: f64 = 60_000.0;
