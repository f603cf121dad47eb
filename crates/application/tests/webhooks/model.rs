//! What the fake store keeps of one webhook.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ConsumerCounts, ConsumerStatus, LeaseUpdate, LeasedMessage, PullRequest, PulledLeases,
    WebhookIncarnation, WebhookRecord, WebhookStatus,
};
use posthorn_domain::{
    Attempt, ConsumerKey, FailureReason, LeaseNonce, LeaseToken, Message, MessageId, SettingsTag,
    Timestamp, WebhookAttempt, WebhookHealth,
};

/// The state of one message for one webhook.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MessageFate {
    Waiting {
        due: Timestamp,
        attempt: Attempt,
    },
    Leased {
        end: Timestamp,
        attempt: Attempt,
        nonce: LeaseNonce,
    },
    Acked,
    Dead {
        attempt: Attempt,
        reason: Option<FailureReason>,
    },
}

pub(crate) struct FakeWebhook {
    pub(crate) incarnation: WebhookIncarnation,
    pub(crate) record: WebhookRecord,
    pub(crate) tag: SettingsTag,
    pub(crate) health: WebhookHealth,
    pub(crate) attempts: Vec<WebhookAttempt>,
    pub(crate) messages: BTreeMap<MessageId, (Arc<Message>, MessageFate)>,
}

pub(crate) fn waiting(due: Timestamp, attempt: Attempt) -> MessageFate {
    MessageFate::Waiting { due, attempt }
}

impl FakeWebhook {
    pub(crate) fn expire(&mut self, now: Timestamp) {
        for (_, state) in self.messages.values_mut() {
            if let MessageFate::Leased { end, attempt, .. } = *state
                && end <= now
            {
                *state = waiting(end, attempt.next());
            }
        }
    }

    pub(crate) fn pull(&mut self, request: &PullRequest, now: Timestamp) -> PulledLeases {
        if self.health.disabled.is_some() {
            return PulledLeases::default();
        }
        let settings = self.record.settings.consumer_settings();
        let is_leased = |state: &MessageFate| matches!(state, MessageFate::Leased { .. });
        let leased = self
            .messages
            .values()
            .filter(|(_, state)| is_leased(state))
            .count();
        let capacity = usize::from(settings.max_in_flight.get()).saturating_sub(leased);
        let limit = request.limit.get().min(capacity);
        let expires_at = now.saturating_add(request.lease.unwrap_or(settings.lease).get());
        let mut pulled = PulledLeases::default();
        let mut next = None;
        for (message, state) in self.messages.values_mut() {
            match *state {
                MessageFate::Waiting { due, attempt } if due <= now => {
                    if pulled.messages.len() == limit {
                        pulled.more = limit < capacity;
                        continue;
                    }
                    *state = MessageFate::Leased {
                        end: expires_at,
                        attempt,
                        nonce: request.nonce,
                    };
                    pulled.messages.push(LeasedMessage {
                        message: Arc::clone(message),
                        attempt,
                        expires_at,
                    });
                }
                MessageFate::Waiting { due: time, .. } | MessageFate::Leased { end: time, .. } => {
                    next = Some(next.map_or(time, |next: Timestamp| next.min(time)));
                }
                _ => {}
            }
        }
        let until = |time: Timestamp| Duration::from_millis(time.as_millis() - now.as_millis());
        pulled.next_due = next.map(until);
        pulled
    }

    pub(crate) fn update(
        &mut self,
        token: LeaseToken,
        update: &LeaseUpdate,
        now: Timestamp,
    ) -> bool {
        let settings = self.record.settings.consumer_settings();
        let Some((_, state)) = self.messages.get_mut(&token.id) else {
            return false;
        };
        match *state {
            MessageFate::Leased { attempt, nonce, .. }
                if (attempt, nonce) == (token.attempt, token.nonce) => {}
            _ => return false,
        }
        *state = match update {
            LeaseUpdate::Ack => MessageFate::Acked,
            LeaseUpdate::Release => waiting(now, token.attempt),
            LeaseUpdate::Nack { reason, .. } if token.attempt >= settings.max_attempts => {
                MessageFate::Dead {
                    attempt: token.attempt,
                    reason: reason.clone(),
                }
            }
            LeaseUpdate::Nack { delay, .. } => {
                let delay = delay.unwrap_or(settings.backoff.delay_after(token.attempt));
                waiting(now.saturating_add(delay), token.attempt.next())
            }
            // Webhooks extend no lease.
            LeaseUpdate::Extend(_) => return false,
        };
        true
    }

    pub(crate) fn status(&self, key: &ConsumerKey) -> WebhookStatus {
        let consumer = ConsumerStatus {
            key: key.clone(),
            settings: self.record.settings.consumer_settings(),
            tag: self.tag,
            counts: ConsumerCounts::default(),
            oldest_waiting_at: None,
            last_pull_at: None,
        };
        WebhookStatus {
            consumer,
            incarnation: self.incarnation,
            record: self.record.clone(),
            health: self.health.clone(),
        }
    }
}
