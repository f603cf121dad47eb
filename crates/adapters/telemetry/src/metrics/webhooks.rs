//! The attempts of webhooks.

use std::time::Duration;

use posthorn_application::AttemptOutcome;
use posthorn_domain::DisableReason;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{OutcomeLabels, ReasonLabels};

/// Upper bounds of the buckets, in seconds. An attempt takes up to a minute.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Counts and times attempts, and counts the webhooks that are disabled.
#[derive(Clone, Debug)]
pub(super) struct WebhookSeries {
    attempts: Family<OutcomeLabels, Counter>,
    duration: Histogram,
    disabled: Family<ReasonLabels, Counter>,
}

impl WebhookSeries {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let series = Self {
            attempts: Family::default(),
            duration: Histogram::new(BUCKETS),
            disabled: Family::default(),
        };
        let help = "Attempts to deliver messages to webhooks";
        registry.register("app_webhook_attempts", help, series.attempts.clone());
        let help = "How long attempts to deliver messages to webhooks took";
        let (name, duration) = ("app_webhook_attempt_duration", series.duration.clone());
        registry.register_with_unit(name, help, Unit::Seconds, duration);
        let help = "Webhooks that were disabled because of their receivers";
        registry.register("app_webhooks_disabled", help, series.disabled.clone());
        // Shown from the start, so that the first one counts as an increase.
        for outcome in AttemptOutcome::ALL {
            series.count(outcome);
        }
        for reason in [DisableReason::Gone, DisableReason::NoSuccess] {
            series.disabled(reason);
        }
        series
    }

    /// Counts an attempt, and how long it took.
    pub(super) fn observe(&self, outcome: AttemptOutcome, duration: Duration) {
        self.count(outcome).inc();
        self.duration.observe(duration.as_secs_f64());
    }

    fn count(&self, outcome: AttemptOutcome) -> Counter {
        self.attempts.get_or_create_owned(&OutcomeLabels {
            outcome: outcome.as_str(),
        })
    }

    /// The webhooks that were disabled for this reason.
    pub(super) fn disabled(&self, reason: DisableReason) -> Counter {
        self.disabled.get_or_create_owned(&ReasonLabels {
            reason: reason.as_str(),
        })
    }
}
