//! Logs, traces and metrics, and the decorators of ports that record them.

mod bunyan;
mod cache;
mod consumer_sampler;
mod consumer_store;
mod filter;
mod host_name;
mod init;
mod log_names;
mod log_queue;
#[cfg(test)]
mod memory_output;
mod metrics;
mod operation;
mod panic_hook;
mod quota_counter;
mod store;
mod traces;
mod unreadable;
mod webhook_sender;

pub use cache::InstrumentedCache;
pub use consumer_sampler::ConsumerSampler;
pub use consumer_store::InstrumentedConsumerStore;
pub use filter::{FilterError, check_filter};
pub use host_name::host_name;
pub use init::{InitError, LogFormat, LogOutput, LogSettings, TelemetryGuard, init};
pub use metrics::{Metrics, PoolCounts, PoolSource};
pub use quota_counter::InstrumentedQuotaCounter;
pub use store::InstrumentedStore;
pub use traces::{TraceError, TraceSampler, TraceSamplerError, TraceSettings};
pub use webhook_sender::TracedWebhookSender;
