//! One attempt to deliver one message.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    FailureReason, LeaseToken, Message, RedeliveryDelay, Timestamp, WebhookAttempt,
};

use super::plan::DeliveryPlan;
use super::ports::WebhookDispatcherPorts;
use crate::ports::consumer_store::LeaseUpdate;
use crate::ports::webhook_sender::{
    WebhookEvent, WebhookEventKind, WebhookReply, WebhookSendError,
};

/// The longest `Retry-After` that is heeded.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(RedeliveryDelay::MAX_SECONDS as u64);

/// A finished attempt.
pub(super) struct Attempted {
    /// The settings and the endpoint that it used.
    pub(super) plan: Arc<DeliveryPlan>,
    pub(super) token: LeaseToken,
    /// The earliest end of the lease, by the monotonic clock.
    pub(super) lease_end: Duration,
    /// When it started, by the wall clock.
    pub(super) at: Timestamp,
    /// When it ended, by the wall clock.
    pub(super) ended_at: Timestamp,
    pub(super) duration: Duration,
    pub(super) result: Result<WebhookReply, WebhookSendError>,
}

/// What an attempt means for its message.
pub(super) enum AttemptVerdict {
    /// Settle the lease.
    Settle(LeaseUpdate),
    /// The receiver wants no more requests. The update is for the case that the webhook cannot be
    /// disabled.
    Gone(LeaseUpdate),
}

/// Attempts to deliver the message of a lease.
pub(super) async fn attempt(
    ports: Arc<WebhookDispatcherPorts>,
    plan: Arc<DeliveryPlan>,
    message: Arc<Message>,
    token: LeaseToken,
    lease_end: Duration,
) -> Attempted {
    let at = ports.clock.now();
    let started = ports.clock.monotonic();
    let event = WebhookEvent {
        id: message.id.to_string(),
        kind: WebhookEventKind::MessageAccepted,
        source: Arc::clone(&plan.source),
        at,
        body: ports.encoder.message(&message, plan.settings.format),
        traceparent: message.traceparent.clone(),
        request_traceparent: None,
    };
    let result = plan.endpoint.send(event).await;
    Attempted {
        plan,
        token,
        lease_end,
        at,
        ended_at: ports.clock.now(),
        duration: ports.clock.monotonic().saturating_sub(started),
        result,
    }
}

impl Attempted {
    /// The attempt as it is recorded.
    pub(super) fn record(&self) -> WebhookAttempt {
        let (status, error) = match &self.result {
            Ok(reply) => (Some(reply.status), None),
            Err(error) => (None, error.reason()),
        };
        WebhookAttempt {
            message_id: self.token.id,
            attempt: self.token.attempt,
            at: self.at,
            status,
            milliseconds: u32::try_from(self.duration.as_millis()).unwrap_or(u32::MAX),
            error,
        }
    }

    /// What it means for its message; `reason` is the failure of its record.
    pub(super) fn verdict(&self, reason: Option<FailureReason>) -> AttemptVerdict {
        let Ok(reply) = self.result else {
            return AttemptVerdict::Settle(LeaseUpdate::Nack {
                delay: None,
                reason,
            });
        };
        if reply.is_success() {
            return AttemptVerdict::Settle(LeaseUpdate::Ack);
        }
        // Without the receiver's wish the store applies the schedule. Zero, or a date that has passed, is
        // none: all attempts at once would leave only a dead letter.
        let wait = reply.retry_after.map(|wait| wait.wait(self.ended_at));
        let wait = wait.filter(|wait| !wait.is_zero());
        let delay = wait.map(|wait| wait.min(MAX_RETRY_AFTER));
        let update = LeaseUpdate::Nack { delay, reason };
        if reply.status == WebhookReply::GONE {
            AttemptVerdict::Gone(update)
        } else {
            AttemptVerdict::Settle(update)
        }
    }
}
