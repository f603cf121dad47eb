//! Logs, spans, metrics, and the decorators that feed them.

mod bunyan;
mod cache;
mod filter;
mod host_name;
mod init;
mod log_queue;
mod metrics;
mod panic_hook;
mod quota_counter;
mod store;
mod traces;
#[cfg(test)]
mod written;

pub use cache::InstrumentedCache;
pub use filter::{FilterError, check_filter};
pub use host_name::host_name;
pub use init::{InitError, LogFormat, LogSettings, TelemetryGuard, init};
pub use metrics::{Metrics, PoolCounts, PoolSource};
pub use quota_counter::InstrumentedQuotaCounter;
pub use store::InstrumentedStore;
pub use traces::{TraceError, TraceSampler, TraceSamplerError, TraceSettings};
