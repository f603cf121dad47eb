//! What the health of a webhook means for its worker.

use std::time::Duration;

use posthorn_domain::{DisableReason, WebhookHealth, WebhookUrl};

use super::WebhookWorker;
use crate::ports::consumer_store::LeaseUpdate;

/// A webhook whose attempts have failed for this time, without a success, is disabled: five days.
const MAX_FAILING: Duration = Duration::from_hours(5 * 24);

impl WebhookWorker {
    /// Disables the webhook after five days of failures, by the records of all processes.
    pub(super) fn check_health(&mut self, health: &WebhookHealth) {
        if health.disabled.is_none() && health.failed_for() >= MAX_FAILING {
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
