//! All topics, their bounds and their order, behind the store's lock.

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

use super::MemoryStoreSettings;
use super::keys::{Keys, Remembered, ScopedKey};
use super::marks::Marks;
use super::topic_log::TopicLog;
use super::weight::weight;

pub(super) struct State {
    settings: MemoryStoreSettings,
    /// The topics that hold a message.
    topics: BTreeMap<Topic, TopicLog>,
    /// Each of these topics by the id of its oldest message: the first one is the oldest of all.
    oldest: BTreeMap<MessageId, Topic>,
    /// What is left of topics that hold none.
    marks: Marks,
    keys: Keys,
    messages: usize,
    bytes: usize,
    last: MessageId,
    closed: bool,
}

impl State {
    pub(super) fn new(settings: MemoryStoreSettings) -> Self {
        Self {
            settings,
            topics: BTreeMap::new(),
            oldest: BTreeMap::new(),
            marks: Marks::default(),
            keys: Keys::new(settings.max_idempotency_keys),
            messages: 0,
            bytes: 0,
            last: MessageId::MIN,
            closed: false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Gives up everything.
    pub(super) fn close(&mut self) {
        *self = Self {
            closed: true,
            ..Self::new(self.settings)
        };
    }

    /// Stores a message at `now`, unless its key says that this was done before.
    pub(super) fn append(
        &mut self,
        Append {
            message,
            pod,
            idempotency,
        }: Append,
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<Appended, AppendError> {
        let topic = message.topic.clone();
        let Some(Idempotency {
            key,
            fingerprint,
            ttl,
        }) = idempotency
        else {
            let receipt = self.store(message, pod, now)?;
            return Ok(Appended {
                receipt,
                replayed: false,
            });
        };
        let key = ScopedKey { topic, key };
        match self.keys.get(&key, monotonic) {
            Some(known) if known.fingerprint == fingerprint => {
                return Ok(Appended {
                    receipt: known.receipt.clone(),
                    replayed: true,
                });
            }
            Some(_) => return Err(AppendError::KeyReused),
            None => {}
        }
        let receipt = self.store(message, pod, now)?;
        let end = monotonic.saturating_add(ttl);
        let remembered = Remembered {
            fingerprint,
            receipt: receipt.clone(),
            end,
        };
        self.keys.put(key, remembered, monotonic);
        Ok(Appended {
            receipt,
            replayed: false,
        })
    }

    pub(super) fn get(&self, topic: &Topic, id: MessageId) -> Option<Arc<Message>> {
        self.topics.get(topic)?.get(id).map(Arc::clone)
    }

    pub(super) fn page(&self, topic: &Topic, request: PageRequest) -> Page {
        match self.topics.get(topic) {
            Some(log) => log.page(request),
            None => TopicLog::new(self.marks.get(topic)).page(request),
        }
    }

    pub(super) fn delete(&mut self, topic: &Topic, id: MessageId) -> bool {
        let Some(log) = self.topics.get_mut(topic) else {
            return false;
        };
        let first = log.first();
        let Some(message) = log.remove(id) else {
            return false;
        };
        self.messages -= 1;
        self.bytes -= weight(&message.content, &message.attributes);
        self.first_changed(topic, first);
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

    /// Clears away idempotency keys that have ended, at most `budget` of them; says whether it were
    /// as many.
    pub(super) fn forget_keys(&mut self, monotonic: Duration, budget: usize) -> bool {
        self.keys.forget_ended(monotonic, budget)
    }

    /// Stores a message at the end of its topic.
    fn store(
        &mut self,
        message: NewMessage,
        pod: Arc<str>,
        now: Timestamp,
    ) -> Result<Receipt, StoreError> {
        let weight = weight(&message.content, &message.attributes);
        self.make_room(weight)?;
        let timestamp = now.max(self.last.timestamp());
        let id = MessageId::new(timestamp, self.last.sequence().saturating_add(1));
        self.last = id;
        self.messages += 1;
        self.bytes += weight;
        let message = Arc::new(message.accepted(id));
        let topic = message.topic.clone();
        if let Some(log) = self.topics.get_mut(&topic) {
            log.insert(message);
        } else {
            let mut log = TopicLog::new(self.marks.take(&topic));
            log.insert(message);
            self.topics.insert(topic.clone(), log);
            self.oldest.insert(id, topic.clone());
        }
        Ok(Receipt {
            id,
            topic,
            durability: Durability::Memory,
            pod,
        })
    }

    /// Brings the order of topics up to date after removals from `topic`, which had begun with
    /// `before`.
    fn first_changed(&mut self, topic: &Topic, before: Option<MessageId>) {
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
            self.marks.put(topic.clone(), pruned);
        }
    }

    fn topics_after(&self, after: Option<&Topic>) -> impl Iterator<Item = (&Topic, &TopicLog)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.topics.range((start, Bound::Unbounded))
    }
}

#[cfg(test)]
mod tests;
