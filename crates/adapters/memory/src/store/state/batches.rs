//! Appending a batch: all of its messages under one lock.

use std::time::Duration;

use posthorn_application::{AppendBatch, AppendError, AppendedBatch, StoreError, TimeBounds};
use posthorn_domain::Fingerprint;

use super::StoreState;
use crate::store::idempotency_keys::{KeyedReceipt, ScopedKey};
use crate::weight::weight;

impl StoreState {
    /// Stores the messages of a batch at the latest time of `now`, or returns the first receipt of its key.
    pub(crate) fn append_batch(
        &mut self,
        append: AppendBatch,
        now: TimeBounds,
        monotonic: Duration,
    ) -> Result<AppendedBatch, AppendError> {
        let AppendBatch {
            topic,
            batch,
            instance,
            idempotency,
        } = append;
        let count = batch.len();
        let keyed = idempotency.map(|idempotency| {
            let (topic, key) = (topic.clone(), idempotency.key);
            let expires = monotonic.saturating_add(idempotency.ttl);
            (ScopedKey { topic, key }, idempotency.fingerprint, expires)
        });
        if let Some((key, fingerprint, _)) = &keyed
            && let Some(stored) = self.keys.get(key, monotonic)
        {
            return replayed(stored, fingerprint, count);
        }
        self.check_topic(&topic)?;
        // Room for all of them first: a later message must not remove an earlier one.
        let weights = batch.messages().iter();
        let weights = weights.map(|message| weight(message.parts()));
        self.evict_for(weights.sum(), now.wall)?;
        let mut first = None;
        for message in batch.into_messages() {
            let weight = weight(message.parts());
            let message = message.into_message(topic.clone());
            let receipt = self.insert(message, weight, instance.clone(), now.latest);
            first.get_or_insert(receipt);
        }
        let first = first.ok_or_else(|| StoreError::Corrupt("a batch without messages".into()))?;
        if let Some((key, fingerprint, expires)) = keyed {
            let stored = KeyedReceipt {
                fingerprint,
                receipt: first.clone(),
                expires,
            };
            self.keys.insert(key, stored, monotonic);
        }
        Ok(AppendedBatch {
            first,
            count,
            replayed: false,
        })
    }
}

/// The outcome of a batch whose key was used before.
fn replayed(
    stored: &KeyedReceipt,
    fingerprint: &Fingerprint,
    count: usize,
) -> Result<AppendedBatch, AppendError> {
    if stored.fingerprint != *fingerprint {
        return Err(AppendError::KeyReused);
    }
    Ok(AppendedBatch {
        first: stored.receipt.clone(),
        count,
        replayed: true,
    })
}
