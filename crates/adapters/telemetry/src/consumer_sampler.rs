//! Reads the counts of all consumers and webhooks into the metrics, in rounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, ConsumerStore, PageLimit, StoreError};
use posthorn_domain::{ConsumerKind, Topic};

use crate::Metrics;
use crate::metrics::{ConsumerGauges, ConsumerTotals};

/// The shortest wait between two rounds.
const MIN_PAUSE: Duration = Duration::from_secs(3);
/// The longest pause, also after a round that waited for the store.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// The wait between two rounds, in durations of the last round: with very many consumers the rounds
/// take half a percent of the time.
const PAUSE_FACTOR: u32 = 199;

/// Keeps the gauges of consumers current: a process runs one.
pub struct ConsumerSampler {
    store: Arc<dyn ConsumerStore>,
    clock: Arc<dyn Clock>,
    gauges: ConsumerGauges,
    max_series: usize,
}

impl ConsumerSampler {
    /// Reads `store` into `metrics`. The first `max_series` consumers, by topic, kind and name,
    /// have series of their own.
    pub fn new(store: Arc<dyn ConsumerStore>, metrics: &Metrics, max_series: usize) -> Self {
        Self {
            store,
            clock: Arc::clone(metrics.clock()),
            gauges: metrics.consumers().clone(),
            max_series,
        }
    }

    /// Reads in rounds for ever, one call at a time. If the store fails, the gauges disappear until
    /// a round succeeds: old counts would be wrong.
    pub async fn run(&self) {
        let mut is_failing = false;
        loop {
            let start = self.clock.monotonic();
            let outcome = self.read().await;
            if outcome.is_err() != is_failing {
                is_failing = !is_failing;
                log_change(outcome.as_ref().err());
            }
            let round = self.clock.monotonic().saturating_sub(start);
            // A round that failed says nothing about how long one takes.
            let pause = match outcome {
                Ok(_) => round
                    .saturating_mul(PAUSE_FACTOR)
                    .clamp(MIN_PAUSE, MAX_PAUSE),
                Err(_) => MIN_PAUSE,
            };
            self.gauges.set(outcome.ok());
            self.clock.sleep(pause).await;
        }
    }

    /// One round.
    async fn read(&self) -> Result<ConsumerTotals, StoreError> {
        let mut totals = ConsumerTotals::new(self.max_series);
        let mut after: Option<Topic> = None;
        loop {
            let topics = self
                .store
                .topics_with_consumers(after.as_ref(), PageLimit::MAX);
            let topics = topics.await?;
            let Some(last) = topics.last() else {
                return Ok(totals);
            };
            after = Some(last.clone());
            for topic in &topics {
                for kind in [ConsumerKind::Consumer, ConsumerKind::Webhook] {
                    self.read_topic(topic, kind, &mut totals).await?;
                }
            }
        }
    }

    async fn read_topic(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        totals: &mut ConsumerTotals,
    ) -> Result<(), StoreError> {
        match self.store.list(topic, kind).await {
            Ok(consumers) => consumers.iter().for_each(|status| totals.add(status)),
            Err(error) if error.is_transient() => return Err(error),
            // An unreadable record of one topic must not hide the consumers of the others.
            Err(error) => {
                tracing::debug!(%error, %topic, "the consumers of a topic are not in the metrics");
            }
        }
        Ok(())
    }
}

/// Logs that the counts cannot be read any more, or can be read again.
fn log_change(error: Option<&StoreError>) {
    if let Some(error) = error {
        tracing::warn!(%error, "the consumers cannot be counted: their metrics are left out");
    } else {
        tracing::info!("the consumers are counted again");
    }
}

impl fmt::Debug for ConsumerSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerSampler").finish_non_exhaustive()
    }
}
