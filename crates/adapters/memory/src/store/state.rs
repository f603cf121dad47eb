//! The topics of the memory store, their order and their bounds, behind the store's lock.

mod batches;
mod consumers;
mod deletion;
mod retention;

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, Append, AppendError, Appended, GivenIds, Idempotency, Page, PageRequest, StoreUsage,
    TimeBounds, TopicPage, TopicRequest, TopicSummary,
};
use posthorn_domain::{Durability, Message, MessageId, NewMessage, Receipt, Timestamp, Topic};

use super::consumers::Consumers;
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
    bytes: usize,
    /// The messages that were removed for new ones, since the last step of pruning.
    evicted: u64,
    /// True if a message was removed for a new one.
    has_evicted: bool,
    /// The first id, with the number before it.
    start: Option<MessageId>,
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
            bytes: 0,
            evicted: 0,
            has_evicted: false,
            start: None,
            last: MessageId::MIN,
            closed: false,
        }
    }

    /// The greatest id ever assigned.
    pub(super) fn last(&self) -> MessageId {
        self.last
    }

    /// How much it holds.
    pub(super) fn usage(&self) -> StoreUsage {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        StoreUsage {
            topics: number(self.consumers.topic_count(&self.topics)),
            bytes: Some(number(self.bytes)),
            identity: None,
        }
    }

    /// The number of messages that were removed for new ones since the last call.
    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Checks that `topic` counts already or may be added.
    fn check_topic(&self, topic: &Topic) -> Result<(), AppendError> {
        if self.consumers.admits(topic, &self.topics) {
            return Ok(());
        }
        Err(AppendError::TooManyTopics)
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

    /// Stores a message at the latest time of `now`, or returns the receipt of the first request under its key.
    pub(super) fn append(
        &mut self,
        append: Append,
        now: TimeBounds,
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
        let empty = TopicLog::new(self.watermarks.get(topic));
        let log = self.topics.get(topic).unwrap_or(&empty);
        let mut page = log.page(request);
        if let Anchor::After(cursor) = request.anchor {
            let given = GivenIds {
                starts: self.start.as_slice(),
                newest: self.last,
                before: log.last_to(cursor),
                after: log.newer_than(cursor).next().map(|message| message.id),
            };
            page.truncated |= given.exclude(cursor);
        }
        page
    }

    pub(super) fn topics(&self, request: &TopicRequest) -> TopicPage {
        let in_range = |names: &Range<String>| {
            let bounds = (
                Bound::Included(names.start.as_str()),
                Bound::Excluded(names.end.as_str()),
            );
            self.topics.range::<str, _>(bounds)
        };
        let ranges = request.names.as_slice().iter();
        let mut rest = ranges.flat_map(in_range).filter_map(|(topic, log)| {
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
        now: TimeBounds,
    ) -> Result<Receipt, AppendError> {
        self.check_topic(&message.topic)?;
        let weight = weight(message.parts());
        self.evict_for(weight, now.wall)?;
        Ok(self.insert(message, weight, instance, now.latest))
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
        self.start
            .get_or_insert(MessageId::new(timestamp, self.last.sequence()));
        self.last = id;
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
