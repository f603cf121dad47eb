//! Compares the state of real consumers with that of their models.

use posthorn_application::{ConsumerError, ConsumerStatus, DeadLetterRequest, PageLimit};
use posthorn_domain::SettingsTag;

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
