//! The topics of the memory store, their order and their bounds, behind the store's lock.

mod batches;
mod consumers;
mod retention;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Append, AppendError, Appended, Idempotency, Page, PageRequest, StoreError, TopicPage,
    TopicRequest, TopicSummary,
};
use posthorn_domain::{Durability, Message, MessageId, NewMessage, Receipt, Timestamp, Topic};

use super::consumers::{Consumers, MessageRemoval};
use super::idempotency_keys::{IdempotencyKeys, KeyedReceipt, ScopedKey};
use super::prune_watermarks::PruneWatermarks;
use super::settings::MemoryStoreSettings;
use super::topic_log::TopicLog;
use crate::weight::weight;

pub(super) struct StoreState {
    settings: MemoryStoreSettings,
    /// The topics with a message.
    topics: BTreeMap<Topic, TopicLog>,
    /// These topics by the id of their oldest message: the first entry is the oldest message of all.
    oldest: BTreeMap<MessageId, Topic>,
    /// The topics without a message.
    watermarks: PruneWatermarks,
    keys: IdempotencyKeys,
    consumers: Consumers,
    messages: usize,
    bytes: usize,
    last: MessageId,
    closed: bool,
}

impl StoreState {
    pub(super) fn new(settings: MemoryStoreSettings) -> Self {
        Self {
            settings,
            topics: BTreeMap::new(),
            oldest: BTreeMap::new(),
            watermarks: PruneWatermarks::default(),
            keys: IdempotencyKeys::new(settings.max_idempotency_keys),
            consumers: Consumers::new(settings),
            messages: 0,
            bytes: 0,
            last: MessageId::MIN,
            closed: false,
        }
    }

    /// The greatest id ever assigned.
    pub(super) fn last(&self) -> MessageId {
        self.last
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Drops everything.
    pub(super) fn close(&mut self) {
        *self = Self {
            closed: true,
            ..Self::new(self.settings)
        };
    }

    /// Stores a message at `now`, the latest time that it may be, or returns the receipt of the first request under its key.
    pub(super) fn append(
        &mut self,
        append: Append,
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<Appended, AppendError> {
        let Append {
            message,
            instance,
            idempotency,
        } = append;
        let stored = |receipt| Appended {
            receipt,
            replayed: false,
        };
        let Some(Idempotency {
            key,
            fingerprint,
            ttl,
        }) = idempotency
        else {
            return Ok(stored(self.store(message, instance, now)?));
        };
        let topic = message.topic.clone();
        let key = ScopedKey { topic, key };
        if let Some(first) = self.keys.get(&key, monotonic) {
            if first.fingerprint != fingerprint {
                return Err(AppendError::KeyReused);
            }
            return Ok(Appended {
                receipt: first.receipt.clone(),
                replayed: true,
            });
        }
        let receipt = self.store(message, instance, now)?;
        let first = KeyedReceipt {
            fingerprint,
            receipt: receipt.clone(),
            expires: monotonic.saturating_add(ttl),
        };
        self.keys.insert(key, first, monotonic);
        Ok(stored(receipt))
    }

    pub(super) fn get(&self, topic: &Topic, id: MessageId) -> Option<Arc<Message>> {
        self.topics.get(topic)?.get(id).map(Arc::clone)
    }

    pub(super) fn page(&self, topic: &Topic, request: PageRequest) -> Page {
        match self.topics.get(topic) {
            Some(log) => log.page(request),
            None => TopicLog::new(self.watermarks.get(topic)).page(request),
        }
    }

    pub(super) fn delete(&mut self, topic: &Topic, id: MessageId, now: Timestamp) -> bool {
        let Some(log) = self.topics.get_mut(topic) else {
            return false;
        };
        let first = log.first();
        // A lease that expired before the deletion ends first, while its message is there.
        self.consumers.expire(topic, log, now);
        let Some(message) = log.remove(id) else {
            return false;
        };
        self.consumers
            .message_removed(topic, id, MessageRemoval::Deleted);
        self.messages -= 1;
        self.bytes -= weight(&message.content, &message.attributes);
        self.update_order(topic, first);
        true
    }

    pub(super) fn topics(&self, request: &TopicRequest) -> TopicPage {
        let mut rest = self
            .topics_after(request.after.as_ref())
            .filter_map(|(topic, log)| {
                Some(TopicSummary {
                    topic: topic.clone(),
                    count: u64::try_from(log.len()).unwrap_or(u64::MAX),
                    first: log.first()?,
                    last: log.last()?,
                })
            });
        let topics = rest.by_ref().take(request.limit.get()).collect();
        TopicPage {
            topics,
            has_more: rest.next().is_some(),
        }
    }

    /// Removes at most `budget` expired idempotency keys; returns true if it removed as many.
    pub(super) fn remove_expired_keys(&mut self, monotonic: Duration, budget: usize) -> bool {
        self.keys.remove_expired(monotonic, budget)
    }

    /// Stores a message at the end of its topic.
    fn store(
        &mut self,
        message: NewMessage,
        instance: Arc<str>,
        now: Timestamp,
    ) -> Result<Receipt, StoreError> {
        let weight = weight(&message.content, &message.attributes);
        self.evict_for(1, weight, now)?;
        Ok(self.insert(message, weight, instance, now))
    }

    /// Inserts a message of `weight` bytes, which fits, at the end of its topic.
    fn insert(
        &mut self,
        message: NewMessage,
        weight: usize,
        instance: Arc<str>,
        now: Timestamp,
    ) -> Receipt {
        // No id is smaller than an earlier one, even if the clock went back.
        let timestamp = now.max(self.last.timestamp());
        let id = MessageId::new(timestamp, self.last.sequence().saturating_add(1));
        self.last = id;
        self.messages += 1;
        self.bytes += weight;
        let message = Arc::new(message.accepted_at(id, now));
        let topic = message.topic.clone();
        if let Some(log) = self.topics.get_mut(&topic) {
            log.insert(message);
        } else {
            let mut log = TopicLog::new(self.watermarks.take(&topic));
            log.insert(message);
            self.topics.insert(topic.clone(), log);
            self.oldest.insert(id, topic.clone());
        }
        Receipt {
            id,
            topic,
            durability: Durability::Memory,
            instance,
            processed_at: now,
        }
    }

    /// Updates the order of topics after removals from `topic`, whose oldest message was `before`.
    fn update_order(&mut self, topic: &Topic, before: Option<MessageId>) {
        let Some(log) = self.topics.get(topic) else {
            return;
        };
        let (first, pruned) = (log.first(), log.pruned);
        if first == before {
            return;
        }
        if let Some(before) = before {
            self.oldest.remove(&before);
        }
        if let Some(first) = first {
            self.oldest.insert(first, topic.clone());
        } else {
            self.topics.remove(topic);
            self.watermarks.insert(topic.clone(), pruned);
        }
    }

    fn topics_after(&self, after: Option<&Topic>) -> impl Iterator<Item = (&Topic, &TopicLog)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.topics.range::<Topic, _>((start, Bound::Unbounded))
    }
}

#[cfg(test)]
mod tests;
