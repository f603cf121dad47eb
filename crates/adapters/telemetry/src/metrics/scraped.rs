//! Metrics whose value is read at each exposition.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use posthorn_application::{Clock, StoreIdentity};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use super::labels::{PoolLabels, StoreInfoLabels};
use crate::log_queue;

/// Reads the current numbers of a pool's connections.
pub type PoolSource = Box<dyn Fn() -> PoolCounts + Send + Sync>;

/// The numbers of a pool's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Connections in use.
    pub in_use: usize,
    /// Idle connections.
    pub idle: usize,
}

/// `app_uptime_seconds`.
pub(super) struct UptimeCollector {
    clock: Arc<dyn Clock>,
    start: Duration,
}

/// `app_pool_connections`.
#[derive(Clone, Default)]
pub(super) struct PoolCollector {
    sources: Arc<RwLock<Vec<PoolSource>>>,
}

/// `app_store_info`, once the identity of the store's data is known.
#[derive(Clone, Debug, Default)]
pub(super) struct StoreInfoCollector(Arc<Mutex<Option<StoreIdentity>>>);

/// `app_log_lines_dropped_total`, if the process has a log.
#[derive(Debug)]
pub(super) struct DroppedLinesCollector;

impl UptimeCollector {
    pub(super) fn starting(clock: Arc<dyn Clock>) -> Self {
        let start = clock.monotonic();
        Self { clock, start }
    }
}

impl Collector for UptimeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let uptime = self.clock.monotonic().saturating_sub(self.start);
        let gauge = ConstGauge::new(uptime.as_secs_f64());
        let help = "Time since the process started.";
        let unit = Some(&Unit::Seconds);
        gauge.encode(encoder.encode_descriptor("app_uptime", help, unit, gauge.metric_type())?)
    }
}

impl PoolCollector {
    pub(super) fn add(&self, source: PoolSource) {
        self.sources
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(source);
    }

    fn counts(&self) -> Option<PoolCounts> {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        sources
            .iter()
            .map(|source| source())
            .reduce(|sum, counts| PoolCounts {
                in_use: sum.in_use + counts.in_use,
                idle: sum.idle + counts.idle,
            })
    }
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(counts) = self.counts() else {
            return Ok(());
        };
        let help = "Connections that the pools hold.";
        let mut family =
            encoder.encode_descriptor("app_pool_connections", help, None, MetricType::Gauge)?;
        for (state, count) in [("in_use", counts.in_use), ("idle", counts.idle)] {
            let labels = PoolLabels { state };
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl StoreInfoCollector {
    pub(super) fn set(&self, identity: Option<StoreIdentity>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

impl Collector for StoreInfoCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let identity = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(identity) = identity else {
            return Ok(());
        };
        let info = Info::new(StoreInfoLabels {
            identity: identity.to_string(),
        });
        let (name, help) = ("app_store", "Identity of the data of the store.");
        info.encode(encoder.encode_descriptor(name, help, None, info.metric_type())?)
    }
}

impl Collector for DroppedLinesCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(lines) = log_queue::dropped_lines() else {
            return Ok(());
        };
        let counter = ConstCounter::new(lines);
        let (name, help) = ("app_log_lines_dropped", "Log lines that found no room.");
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
    }
}

impl fmt::Debug for UptimeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UptimeCollector").finish_non_exhaustive()
    }
}

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolCollector").finish_non_exhaustive()
    }
}
