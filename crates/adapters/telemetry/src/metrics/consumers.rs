//! The counts of consumers, as the last round of the sampler read them, and the leases that this
//! process settled.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use posthorn_application::{Clock, ConsumerStatus};
use posthorn_domain::{ConsumerKind, Timestamp};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::OutcomeLabels;

/// The topic and the name of the series that sums up the consumers above the limit.
const OTHER: &str = "other";
/// The end of each gauge's help.
const AGGREGATION: &str = "Read from the shared store: aggregate processes with max.";

/// The gauges `app_consumer_*`. They are not in the exposition until the counts are set.
#[derive(Clone)]
pub(crate) struct ConsumerGauges {
    counts: Arc<RwLock<Option<ConsumerTotals>>>,
    clock: Arc<dyn Clock>,
}

/// The counts of all consumers, in a bounded number of series.
#[derive(Debug)]
pub(crate) struct ConsumerTotals {
    series: Vec<ConsumerSeries>,
    other: Option<ConsumerSeries>,
    max_series: usize,
}

/// The counts of one series.
#[derive(Debug)]
struct ConsumerSeries {
    topic: String,
    consumer: String,
    /// A webhook has a label for it: a topic may have a consumer and a webhook of one name.
    is_webhook: bool,
    waiting: u64,
    in_flight: u64,
    dead: u64,
    missed: u64,
    dead_dropped: u64,
    oldest_waiting_at: Option<Timestamp>,
}

/// `app_consumer_settled_total`.
#[derive(Clone, Debug)]
pub(crate) struct SettledCounters {
    acked: Counter,
    nacked: Counter,
    stale: Counter,
}

impl ConsumerGauges {
    /// The gauges in `registry`.
    pub(super) fn register(registry: &mut Registry, clock: Arc<dyn Clock>) -> Self {
        let gauges = Self {
            counts: Arc::default(),
            clock,
        };
        registry.register_collector(Box::new(gauges.clone()));
        gauges
    }

    /// Shows `totals` from now on; no series if `None`.
    pub(crate) fn set(&self, totals: Option<ConsumerTotals>) {
        *self.counts.write().unwrap_or_else(PoisonError::into_inner) = totals;
    }

    /// The age of the oldest waiting message in seconds; 0 if no message waits.
    fn oldest_age(&self, series: &ConsumerSeries) -> f64 {
        let now = self.clock.now().as_millis();
        let oldest = series.oldest_waiting_at.map_or(now, Timestamp::as_millis);
        Duration::from_millis(now.saturating_sub(oldest)).as_secs_f64()
    }
}

impl Collector for ConsumerGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        let Some(totals) = &*counts else {
            return Ok(());
        };
        let mut family = |name: &str, help: &str, value: fn(&ConsumerSeries) -> u64| {
            let help = format!("{help} {AGGREGATION}");
            let mut family = encoder.encode_descriptor(name, &help, None, MetricType::Gauge)?;
            for series in totals.all() {
                let gauge = ConstGauge::new(value(series));
                gauge.encode(family.encode_family(&series.labels().as_slice())?)?;
            }
            Ok(())
        };
        family(
            "app_consumer_waiting",
            "Messages that wait for a worker.",
            |series| series.waiting,
        )?;
        family(
            "app_consumer_in_flight",
            "Messages under a valid lease.",
            |series| series.in_flight,
        )?;
        family("app_consumer_dead", "Dead letters.", |series| series.dead)?;
        family(
            "app_consumer_missed",
            "Messages that retention removed before they were settled, since the consumer was created.",
            |series| series.missed,
        )?;
        family(
            "app_consumer_dead_dropped",
            "Dead letters that were removed because there were too many, since the consumer was created.",
            |series| series.dead_dropped,
        )?;
        let help =
            format!("Age of the oldest waiting message; 0 if no message waits. {AGGREGATION}");
        let (name, unit) = ("app_consumer_oldest_age", Some(&Unit::Seconds));
        let mut family = encoder.encode_descriptor(name, &help, unit, MetricType::Gauge)?;
        for series in totals.all() {
            let gauge = ConstGauge::new(self.oldest_age(series));
            gauge.encode(family.encode_family(&series.labels().as_slice())?)?;
        }
        Ok(())
    }
}

impl ConsumerTotals {
    /// No consumer yet, and at most `max_series` with series of their own.
    pub(crate) const fn new(max_series: usize) -> Self {
        Self {
            series: Vec::new(),
            other: None,
            max_series,
        }
    }

    /// Adds a consumer. The first ones get series of their own, so every process has to add them in
    /// the same order.
    pub(crate) fn add(&mut self, status: &ConsumerStatus) {
        let one = ConsumerSeries::from(status);
        // The names of the sum are valid names too: such a consumer is part of the sum.
        if self.series.len() < self.max_series && (one.is_webhook || !one.has_name_of_other()) {
            self.series.push(one);
            return;
        }
        match &mut self.other {
            Some(other) => other.add(&one),
            None => {
                self.other = Some(ConsumerSeries {
                    topic: OTHER.to_owned(),
                    consumer: OTHER.to_owned(),
                    is_webhook: false,
                    ..one
                });
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &ConsumerSeries> {
        self.series.iter().chain(&self.other)
    }
}

impl ConsumerSeries {
    fn labels(&self) -> Vec<(&'static str, &str)> {
        let labels = [("topic", &*self.topic), ("consumer", &self.consumer)];
        let kind = self.is_webhook.then_some(("kind", "webhook"));
        labels.into_iter().chain(kind).collect()
    }

    fn has_name_of_other(&self) -> bool {
        self.topic == OTHER && self.consumer == OTHER
    }

    fn add(&mut self, other: &Self) {
        self.waiting = self.waiting.saturating_add(other.waiting);
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.dead = self.dead.saturating_add(other.dead);
        self.missed = self.missed.saturating_add(other.missed);
        self.dead_dropped = self.dead_dropped.saturating_add(other.dead_dropped);
        let times = [self.oldest_waiting_at, other.oldest_waiting_at];
        self.oldest_waiting_at = times.into_iter().flatten().min();
    }
}

impl From<&ConsumerStatus> for ConsumerSeries {
    fn from(status: &ConsumerStatus) -> Self {
        let counts = status.counts;
        Self {
            topic: status.key.topic.to_string(),
            consumer: status.key.name.to_string(),
            is_webhook: status.key.kind == ConsumerKind::Webhook,
            waiting: counts.waiting,
            in_flight: counts.in_flight,
            dead: counts.dead,
            missed: counts.missed,
            dead_dropped: counts.dead_dropped,
            oldest_waiting_at: status.oldest_waiting_at,
        }
    }
}

impl SettledCounters {
    /// The counters in `registry`, each at 0, so that the first lease counts as an increase.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let settled = Family::<OutcomeLabels, Counter>::default();
        let help = "Leases that workers settled at this process, by outcome: acked, nacked, or stale for a lease that \
                    had ended";
        registry.register("app_consumer_settled", help, settled.clone());
        let counter = |outcome| settled.get_or_create_owned(&OutcomeLabels { outcome });
        Self {
            acked: counter("acked"),
            nacked: counter("nacked"),
            stale: counter("stale"),
        }
    }

    /// Acknowledged leases.
    pub(crate) fn acked(&self) -> &Counter {
        &self.acked
    }

    /// Rejected leases.
    pub(crate) fn nacked(&self) -> &Counter {
        &self.nacked
    }

    /// Leases that had ended before they were settled.
    pub(crate) fn stale(&self) -> &Counter {
        &self.stale
    }
}

impl fmt::Debug for ConsumerGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerGauges").finish_non_exhaustive()
    }
}
