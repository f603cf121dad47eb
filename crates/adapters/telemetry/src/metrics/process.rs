//! The standard `process_*` metrics, read from `/proc` at each exposition.
//!
//! Names and meanings: <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.

use std::fmt;
use std::time::Duration;

use procfs::process::{LimitValue, Limits, Process, Stat};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Collects the metrics of this process from `/proc`. A metric that cannot be read is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    ticks_per_second: u64,
    page_bytes: u64,
    /// Seconds since the Unix epoch; constant.
    start: Option<Duration>,
}

impl ProcessCollector {
    pub(super) fn new() -> Self {
        let mut collector = Self {
            ticks_per_second: procfs::ticks_per_second().max(1),
            page_bytes: procfs::page_size(),
            start: None,
        };
        collector.start = collector.read_start().ok();
        collector
    }

    fn read_start(&self) -> procfs::ProcResult<Duration> {
        let after_boot = self.ticks(Process::myself()?.stat()?.starttime);
        Ok(Duration::from_secs(procfs::boot_time_secs()?).saturating_add(after_boot))
    }

    /// The duration of `ticks` clock ticks, in milliseconds precision.
    fn ticks(&self, ticks: u64) -> Duration {
        Duration::from_millis(ticks.saturating_mul(1000) / self.ticks_per_second)
    }

    fn encode_stat(&self, stat: &Stat, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = self.ticks(stat.utime.saturating_add(stat.stime));
        let counter = ConstCounter::new(cpu.as_secs_f64());
        let help = "CPU time of the process.";
        let (unit, kind) = (Some(&Unit::Seconds), counter.metric_type());
        counter.encode(encoder.encode_descriptor("process_cpu", help, unit, kind)?)?;
        let mut bytes = |name, help, value| gauge(encoder, name, help, Some(&Unit::Bytes), value);
        let resident = stat.rss.saturating_mul(self.page_bytes);
        bytes(
            "process_virtual_memory",
            "Size of the address space.",
            stat.vsize,
        )?;
        bytes(
            "process_resident_memory",
            "Resident memory of the process.",
            resident,
        )?;
        gauge(
            encoder,
            "process_threads",
            "Threads of the process.",
            None,
            stat.num_threads,
        )
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        if let Some(start) = self.start {
            let (name, help) = ("process_start_time", "Start of the process, Unix time.");
            gauge(
                encoder,
                name,
                help,
                Some(&Unit::Seconds),
                start.as_secs_f64(),
            )?;
        }
        let Ok(process) = Process::myself() else {
            return Ok(());
        };
        if let Ok(stat) = process.stat() {
            self.encode_stat(&stat, encoder)?;
        }
        if let Ok(count) = process.fd_count() {
            gauge(
                encoder,
                "process_open_fds",
                "Open file descriptors.",
                None,
                count,
            )?;
        }
        if let Ok(limits) = process.limits() {
            encode_limits(&limits, encoder)?;
        }
        Ok(())
    }
}

fn encode_limits(limits: &Limits, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let files = soft(limits.max_open_files.soft_limit);
    let (name, help) = ("process_max_fds", "The limit on open file descriptors.");
    gauge(encoder, name, help, None, files)?;
    let memory = soft(limits.max_address_space.soft_limit);
    let (name, help) = (
        "process_virtual_memory_max",
        "The limit on the address space.",
    );
    gauge(encoder, name, help, Some(&Unit::Bytes), memory)
}

/// The value for no limit is `RLIM_INFINITY`, as in the Go client library.
fn soft(limit: LimitValue) -> u64 {
    match limit {
        LimitValue::Value(value) => value,
        LimitValue::Unlimited => u64::MAX,
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}
