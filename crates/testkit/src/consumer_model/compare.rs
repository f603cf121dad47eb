//! Compares the state of real consumers with that of their models.

use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerStatus, DeadLetterRequest, DeliveryState, PageLimit,
};
use posthorn_domain::{Attempt, ConsumerKind, MessageId, SettingsTag, Timestamp};

use super::model::{ConsumerModel, MessageState};
use super::schedule::ConsumerSchedule;
use super::values::key;
use crate::webhook_contract::WebhookHarness;

impl<H: WebhookHarness> ConsumerSchedule<H> {
    pub(super) async fn compare(&mut self, context: &str) {
        self.expire();
        for (number, model) in (0..).zip(&self.consumers) {
            let key = key(&self.topic, number);
            let status = self.harness.consumers().status(&key).await;
            let Some(model) = model else {
                assert_eq!(status, Err(ConsumerError::NotFound), "{context}");
                continue;
            };
            let status = status.unwrap_or_else(|error| panic!("{context}: {error}"));
            let has_clock = self.has_clock();
            let expected = ConsumerStatus {
                key,
                settings: model.settings.clone(),
                tag: SettingsTag::from_bytes([number; SettingsTag::LENGTH]),
                counts: model.counts(),
                oldest_waiting_at: model.oldest_waiting_at(),
                last_pull_at: if has_clock {
                    model.last_pull_at
                } else {
                    status.last_pull_at
                },
            };
            assert_eq!(status, expected, "{context}");
        }
        self.compare_deliveries(context).await;
    }

    /// Of one message, another one each time.
    async fn compare_deliveries(&mut self, context: &str) {
        self.compared += 1;
        let place = self.compared % (self.given.len() + 1);
        let id = self.given.get(place).copied().unwrap_or(MessageId::MIN);
        let consumers = self.harness.consumers();
        let found = consumers.deliveries(&self.topic, ConsumerKind::Consumer, id);
        let mut found = found.await.unwrap();
        let is_held = self.held.held.contains(&id);
        let models = (0..).zip(&self.consumers);
        let expected = models.filter_map(|(number, model)| {
            let state = state(model.as_ref()?, id, is_held)?;
            let consumer = key(&self.topic, number).name;
            Some(ConsumerDelivery { consumer, state })
        });
        let mut expected: Vec<_> = expected.collect();
        if !self.has_clock() {
            for delivery in found.iter_mut().chain(&mut expected) {
                drop_times(&mut delivery.state);
            }
        }
        assert_eq!(found, expected, "{context}: {id}");
    }

    pub(super) async fn compare_dead_letters(&self) {
        for (number, model) in (0..).zip(&self.consumers) {
            let Some(model) = model else { continue };
            let request = DeadLetterRequest {
                after: None,
                limit: PageLimit::MAX,
            };
            let key = key(&self.topic, number);
            let page = self
                .harness
                .consumers()
                .dead_letters(&key, request)
                .await
                .unwrap();
            assert!(!page.has_more);
            let letters = page.letters.iter();
            let ids: Vec<_> = letters.clone().map(|letter| letter.message.id).collect();
            assert_eq!(ids, model.dead.keys().copied().collect::<Vec<_>>());
            for (letter, death) in letters.zip(model.dead.values()) {
                let id = letter.message.id;
                assert_eq!(letter.attempts, death.attempts, "of {id}");
                assert_eq!(letter.reason, death.reason, "of {id}");
                if self.has_clock() {
                    assert_eq!(letter.died_at, death.died_at, "of {id}");
                }
            }
        }
    }
}

fn state(model: &ConsumerModel, id: MessageId, is_held: bool) -> Option<DeliveryState> {
    match (model.messages.get(&id), model.dead.get(&id)) {
        (Some(MessageState::New), _) => Some(DeliveryState::Waiting {
            attempt: Attempt::FIRST,
            due_at: None,
            reason: None,
        }),
        (Some(MessageState::Waiting(wait)), _) => Some(DeliveryState::Waiting {
            attempt: wait.attempt,
            due_at: Some(wait.due),
            reason: wait.reason.clone(),
        }),
        (Some(MessageState::Leased(lease)), _) => Some(DeliveryState::InFlight {
            attempt: lease.attempt,
            expires_at: lease.expires_at,
        }),
        (None, Some(death)) => Some(DeliveryState::Dead {
            attempts: death.attempts,
            reason: death.reason.clone(),
            died_at: death.died_at,
        }),
        (None, None) => is_held.then_some(DeliveryState::Settled),
    }
}

/// Makes all times the same; whether there is one stays.
fn drop_times(state: &mut DeliveryState) {
    match state {
        DeliveryState::Waiting { due_at, .. } => *due_at = due_at.map(|_| Timestamp::MAX),
        DeliveryState::InFlight { expires_at, .. } => *expires_at = Timestamp::MAX,
        DeliveryState::Dead { died_at, .. } => *died_at = Timestamp::MAX,
        DeliveryState::Settled => {}
    }
}
