//! What the health of a webhook means for its worker.

use posthorn_domain::{DisableReason, Timestamp, WebhookHealth, WebhookUrl};

use super::WebhookWorker;
use crate::ports::consumer_store::LeaseUpdate;

/// A webhook without a success is disabled after this time: five days, in milliseconds.
const MAX_FAILING: u64 = 5 * 24 * 60 * 60 * 1_000;

impl WebhookWorker {
    /// Disables the webhook after five days of failures, by the records of all processes.
    pub(super) fn check_health(&mut self, health: &WebhookHealth) {
        let now = self.store.ports.clock.now();
        let is_failing = |since| MAX_FAILING <= now.as_millis().saturating_sub(since);
        let since = health.failing_since.map(Timestamp::as_millis);
        if health.disabled.is_none() && since.is_some_and(is_failing) {
            self.disable(DisableReason::NoSuccess, None);
        }
    }

    /// `attempted` is the URL of the attempt that is the reason.
    pub(super) fn disable(&mut self, reason: DisableReason, attempted: Option<WebhookUrl>) {
        if self.is_over || !self.disabling.start() {
            return;
        }
        self.calls
            .start(self.store.clone().disable(reason, attempted));
    }

    pub(super) fn disabled(&mut self, reason: DisableReason, is_disabled: bool) {
        let held = self.disabling.end();
        for settlement in held {
            // The message waits until the webhook is enabled, and this attempt does not count.
            let update = if is_disabled {
                LeaseUpdate::Release
            } else {
                settlement.update
            };
            self.settle_later(settlement.token, settlement.lease_end, update);
        }
        if is_disabled {
            self.is_over = true;
            self.store.ports.observer.disabled(reason);
            tracing::warn!(
                topic = %self.store.key.topic, webhook = %self.store.key.name, reason = reason.as_str(),
                "webhook disabled"
            );
        }
    }
}
