//! What becomes of leases when the process ends and the store is opened again.

use posthorn_application::LeaseUpdate;
use posthorn_domain::LeaseToken;

use super::schedule::ConsumerSchedule;
use super::values::key;
use crate::webhook_contract::WebhookHarness;

impl<H: WebhookHarness> ConsumerSchedule<H> {
    /// Each grant is either kept or lost; the model follows the store.
    pub(super) async fn reopen(&mut self, context: &str) {
        if !self.harness.reopen().await {
            return;
        }
        let (consumers, now) = (self.harness.consumers(), self.now());
        let has_clock = self.has_clock();
        for (number, model) in (0..).zip(&mut self.consumers) {
            let Some(model) = model else { continue };
            let leases = model.leases();
            let tokens: Vec<_> = leases
                .map(|(id, lease)| LeaseToken {
                    id,
                    attempt: lease.attempt,
                    nonce: lease.nonce,
                })
                .collect();
            let (key, update) = (key(&self.topic, number), LeaseUpdate::Extend(None));
            let kept = consumers
                .update_leases(&key, &tokens, update.clone())
                .await
                .unwrap();
            let (kept, lost): (Vec<_>, Vec<_>) = tokens
                .into_iter()
                .zip(kept.valid)
                .partition(|(_, valid)| *valid);
            for (token, _) in lost {
                model.lose_grant(token.id);
            }
            let kept: Vec<_> = kept.into_iter().map(|(token, _)| token).collect();
            let valid = model.update(&kept, &update, now).valid;
            assert!(valid.into_iter().all(|valid| valid), "{context}");
            // The date of the last pull may be lost with its grants.
            let status = consumers.status(&key).await.unwrap();
            if status.last_pull_at < model.last_pull_at || !has_clock {
                model.last_pull_at = status.last_pull_at;
            }
        }
    }
}
