//! What a webhook has beyond its consumer.

use std::collections::VecDeque;

use posthorn_application::{MAX_KEPT_ATTEMPTS, WebhookIncarnation, WebhookRecord};
use posthorn_domain::{WebhookAttempt, WebhookHealth};

/// The record of a webhook, its health and its last attempts.
pub(crate) struct HeldWebhook {
    pub(crate) incarnation: WebhookIncarnation,
    pub(crate) record: WebhookRecord,
    pub(crate) health: WebhookHealth,
    /// The oldest first.
    attempts: VecDeque<WebhookAttempt>,
}

impl HeldWebhook {
    pub(super) fn new(record: WebhookRecord, incarnation: WebhookIncarnation) -> Self {
        Self {
            incarnation,
            record,
            health: WebhookHealth::default(),
            attempts: VecDeque::new(),
        }
    }

    /// Adds attempts to the health, and to the last attempts.
    pub(crate) fn record(&mut self, attempts: &[WebhookAttempt]) {
        for attempt in attempts {
            self.health.record(attempt);
            if self.attempts.len() >= MAX_KEPT_ATTEMPTS {
                self.attempts.pop_front();
            }
            self.attempts.push_back(attempt.clone());
        }
    }

    /// The last attempts, the newest first.
    pub(crate) fn attempts(&self) -> Vec<WebhookAttempt> {
        self.attempts.iter().rev().cloned().collect()
    }
}
