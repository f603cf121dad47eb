//! All topics, their bounds and their order, behind the store's lock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Append, AppendError, Appended, Idempotency, Page, PageRequest, RetentionPolicy, StoreError,
    TopicPage, TopicRequest, TopicSummary,
};
use posthorn_domain::{
    Attributes, Durability, Message, MessageContent, MessageId, Receipt, Timestamp, Topic,
};

use super::MemoryStoreSettings;
use super::keys::{Keys, Remembered, ScopedKey};
use super::marks::Marks;
use super::topic_log::TopicLog;

/// What a message takes besides its text: itself and its place in the order. An estimate.
const MESSAGE_OVERHEAD: usize = 256;
/// What an attribute takes besides its key and value. An estimate.
const ATTRIBUTE_OVERHEAD: usize = 96;
/// How many topics one step of pruning looks at.
const TOPICS_AT_ONCE: usize = 256;

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

/// What a step of pruning did.
pub(super) struct PruneStep {
    pub(super) removed: usize,
    /// Whether the budget ended it.
    pub(super) more: bool,
    /// Where the next step goes on, after this topic; `None` at the end.
    pub(super) next: Option<Topic>,
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

    /// Clears away idempotency keys that have ended, at most `budget` of them.
    pub(super) fn forget_keys(&mut self, monotonic: Duration, budget: usize) {
        self.keys.forget_ended(monotonic, budget);
    }

    /// Removes at most `budget` messages from some topics after `from`.
    pub(super) fn prune_some(
        &mut self,
        policy: &RetentionPolicy,
        now: Timestamp,
        from: Option<&Topic>,
        budget: usize,
    ) -> PruneStep {
        let oldest_kept = now.saturating_sub(policy.max_age);
        let max_count = usize::try_from(policy.max_count).unwrap_or(usize::MAX);
        let mut step = PruneStep {
            removed: 0,
            more: false,
            next: from.cloned(),
        };
        for _ in 0..TOPICS_AT_ONCE {
            let Some((topic, log)) = self.topics_after(step.next.as_ref()).next() else {
                step.next = None;
                return step;
            };
            let left = budget - step.removed;
            let too_old = log.count_before(oldest_kept, left.saturating_add(1));
            let excess = log.len().saturating_sub(max_count).max(too_old);
            let topic = topic.clone();
            step.more = excess > left;
            step.removed += self.prune_oldest(&topic, excess.min(left));
            step.next = Some(topic);
            if step.more {
                return step;
            }
        }
        step
    }

    /// Stores a message at the end of its topic.
    fn store(
        &mut self,
        message: posthorn_domain::NewMessage,
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

    /// Drops the oldest messages of all topics until one more of `weight` bytes fits.
    fn make_room(&mut self, weight: usize) -> Result<(), StoreError> {
        let MemoryStoreSettings {
            max_messages,
            max_bytes,
            ..
        } = self.settings;
        if max_messages == 0 || weight > max_bytes {
            let text = format!("a message takes {weight} bytes of {max_bytes}");
            return Err(StoreError::Full(text));
        }
        while self.messages >= max_messages || self.bytes > max_bytes - weight {
            let Some((_, topic)) = self.oldest.first_key_value() else {
                break;
            };
            let topic = topic.clone();
            self.prune_oldest(&topic, 1);
        }
        Ok(())
    }

    /// Removes the `count` oldest messages of `topic` as retention does; says how many it were.
    fn prune_oldest(&mut self, topic: &Topic, count: usize) -> usize {
        let Some(log) = self.topics.get_mut(topic) else {
            return 0;
        };
        let first = log.first();
        let mut removed = 0;
        while removed < count
            && let Some(message) = log.prune_first()
        {
            removed += 1;
            self.bytes -= weight(&message.content, &message.attributes);
        }
        self.messages -= removed;
        self.first_changed(topic, first);
        removed
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

/// About how many bytes a message takes.
fn weight(content: &MessageContent, attributes: &Attributes) -> usize {
    let attributes: usize = attributes
        .iter()
        .map(|(key, value)| key.len() + value.len() + ATTRIBUTE_OVERHEAD)
        .sum();
    MESSAGE_OVERHEAD + content.as_str().len() + attributes
}
