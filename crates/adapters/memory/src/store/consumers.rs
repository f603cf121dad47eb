//! The consumers of all topics, and the bounds of what they hold.

mod consumer;
mod dead_letters;
mod entries;
mod leases;
mod requeue;
mod webhook;
mod webhooks;

use std::collections::BTreeMap;
use std::ops::Bound;

use posthorn_application::{
    ConsumerDelivery, ConsumerError, ConsumerPut, ConsumerStatus, MAX_CONSUMERS_PER_TOPIC,
    Precondition, PutConsumer, StoreError,
};
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerName, ConsumerPosition, MessageId, Timestamp, Topic,
};

use super::settings::MemoryStoreSettings;
use super::topic_log::TopicLog;
use consumer::ConsumerState;

pub(super) use consumer::{ConsumerStep, MessageRemoval};

type TopicConsumers = BTreeMap<(ConsumerKind, ConsumerName), ConsumerState>;

pub(super) struct Consumers {
    settings: MemoryStoreSettings,
    /// Only topics that have one.
    topics: BTreeMap<Topic, TopicConsumers>,
    count: usize,
    entries: usize,
    copy_bytes: usize,
    /// True if there were once as many entries as the settings allow.
    was_full: bool,
    /// The number of webhooks that were put so far.
    incarnations: u64,
}

/// The topic and the moment of a call.
#[derive(Clone, Copy)]
pub(super) struct StoreView<'a> {
    /// The topics with a message.
    pub(super) topics: &'a BTreeMap<Topic, TopicLog>,
    pub(super) log: &'a TopicLog,
    pub(super) now: Timestamp,
    /// The newest id that the store has given.
    pub(super) newest: MessageId,
}

impl Consumers {
    pub(super) fn new(settings: MemoryStoreSettings) -> Self {
        Self {
            settings,
            topics: BTreeMap::new(),
            count: 0,
            entries: 0,
            copy_bytes: 0,
            was_full: false,
            incarnations: 0,
        }
    }

    pub(super) fn put(
        &mut self,
        key: &ConsumerKey,
        put: PutConsumer,
        at: StoreView<'_>,
    ) -> Result<ConsumerPut, ConsumerError> {
        let exists = self.find(key);
        if !put.precondition.holds(exists.map(|consumer| consumer.tag)) {
            return Err(ConsumerError::PreconditionFailed);
        }
        let created = exists.is_none();
        if created {
            self.check_limits(&key.topic, at.topics)?;
            let cursor = cursor(put.start, at)?;
            let consumer = ConsumerState::new(put.settings, put.tag, cursor, at.log);
            let consumers = self.topics.entry(key.topic.clone()).or_default();
            consumers.insert((key.kind, key.name.clone()), consumer);
            self.count += 1;
        } else {
            self.update(key, at, |consumer, _| {
                (consumer.settings, consumer.tag) = (put.settings, put.tag);
            })?;
        }
        let status = self.status(key, at)?;
        Ok(ConsumerPut { created, status })
    }

    pub(super) fn status(
        &mut self,
        key: &ConsumerKey,
        at: StoreView<'_>,
    ) -> Result<ConsumerStatus, ConsumerError> {
        self.update(key, at, |consumer, _| ConsumerStatus {
            key: key.clone(),
            settings: consumer.settings.clone(),
            tag: consumer.tag,
            counts: consumer.counts(at.log),
            oldest_waiting_at: consumer.oldest_waiting(at.log).map(MessageId::timestamp),
            last_pull_at: consumer.last_pull_at(),
        })
    }

    pub(super) fn list(
        &mut self,
        topic: &Topic,
        kind: ConsumerKind,
        at: StoreView<'_>,
    ) -> Vec<ConsumerStatus> {
        let keys = self.keys(topic, kind);
        let statuses = keys.iter().map(|key| self.status(key, at));
        statuses.filter_map(Result::ok).collect()
    }

    pub(super) fn deliveries(
        &mut self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
        at: StoreView<'_>,
    ) -> Vec<ConsumerDelivery> {
        let keys = self.keys(topic, kind).into_iter();
        let deliveries = keys.filter_map(|key| {
            let state = self.update(&key, at, |consumer, _| consumer.delivery(id, at.log));
            let (consumer, state) = (key.name, state.ok()??);
            Some(ConsumerDelivery { consumer, state })
        });
        deliveries.collect()
    }

    pub(super) fn has_free_entries(&self) -> bool {
        self.entries < self.settings.max_consumer_entries
    }

    pub(super) fn topics(&self, after: Option<&Topic>, limit: usize) -> Vec<Topic> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let topics = self.topics.range::<Topic, _>((start, Bound::Unbounded));
        topics.take(limit).map(|(topic, _)| topic.clone()).collect()
    }

    pub(super) fn delete(
        &mut self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError> {
        let consumer = self.find(key).ok_or(ConsumerError::NotFound)?;
        if !precondition.holds(Some(consumer.tag)) {
            return Err(ConsumerError::PreconditionFailed);
        }
        let (entries, copy_bytes) = (consumer.entry_count(), consumer.copy_bytes());
        self.entries -= entries;
        self.copy_bytes -= copy_bytes;
        self.count -= 1;
        if let Some(consumers) = self.topics.get_mut(&key.topic) {
            consumers.remove(&(key.kind, key.name.clone()));
            if consumers.is_empty() {
                self.topics.remove(&key.topic);
            }
        }
        Ok(())
    }

    pub(super) fn seek(
        &mut self,
        key: &ConsumerKey,
        to: ConsumerPosition,
        at: StoreView<'_>,
    ) -> Result<ConsumerStatus, ConsumerError> {
        self.find(key).ok_or(ConsumerError::NotFound)?;
        let cursor = cursor(to, at)?;
        self.update(key, at, |consumer, step| consumer.seek(cursor, step))?;
        self.status(key, at)
    }

    /// Expires the leases of a consumer, runs `operation` on it, and counts what it holds after.
    pub(super) fn update<T>(
        &mut self,
        key: &ConsumerKey,
        at: StoreView<'_>,
        operation: impl FnOnce(&mut ConsumerState, ConsumerStep<'_>) -> T,
    ) -> Result<T, ConsumerError> {
        let consumers = self.topics.get_mut(&key.topic);
        let consumer = consumers.and_then(|all| all.get_mut(&(key.kind, key.name.clone())));
        let consumer = consumer.ok_or(ConsumerError::NotFound)?;
        let usage = (&mut self.entries, &mut self.copy_bytes);
        let outcome = run(&self.settings, consumer, usage, at.log, at.now, operation);
        self.keep_bounds();
        Ok(outcome)
    }

    /// Expires the leases of every consumer of `topic`: removals from the topic come next.
    pub(super) fn expire(&mut self, topic: &Topic, log: &TopicLog, now: Timestamp) {
        for consumer in self.topics.get_mut(topic).into_iter().flatten() {
            let usage = (&mut self.entries, &mut self.copy_bytes);
            run(&self.settings, consumer.1, usage, log, now, |_, _| ());
        }
        self.keep_bounds();
    }

    /// Removes dead letters above the bound, each from the consumer that has most bytes of them, so that no consumer loses
    /// those of another one; and says once that the entries are as many as may be.
    fn keep_bounds(&mut self) {
        while self.copy_bytes > self.settings.max_dead_letter_bytes {
            let all = self.topics.values_mut().flat_map(BTreeMap::values_mut);
            let with_letters = all.filter(|consumer| consumer.has_dead_letters());
            let Some(largest) = with_letters.max_by_key(|consumer| consumer.copy_bytes()) else {
                break;
            };
            let before = largest.copy_bytes();
            largest.drop_dead_letter();
            self.copy_bytes = self.copy_bytes - before + largest.copy_bytes();
        }
        if !self.has_free_entries() && !std::mem::replace(&mut self.was_full, true) {
            tracing::warn!(
                max_consumer_entries = self.settings.max_consumer_entries,
                "the store in memory holds as many leases and redeliveries as it may: consumers with many of them get \
                 no new message until some are settled"
            );
        }
    }

    /// Adjusts every consumer of `topic` to the removal of the message `id`.
    pub(super) fn message_removed(
        &mut self,
        topic: &Topic,
        id: MessageId,
        removal: MessageRemoval,
    ) {
        for (_, consumer) in self.topics.get_mut(topic).into_iter().flatten() {
            let before = (consumer.entry_count(), consumer.copy_bytes());
            consumer.message_removed(id, removal);
            self.entries = self.entries - before.0 + consumer.entry_count();
            self.copy_bytes = self.copy_bytes - before.1 + consumer.copy_bytes();
        }
    }

    /// The consumers of `topic` of this kind, by name.
    fn keys(&self, topic: &Topic, kind: ConsumerKind) -> Vec<ConsumerKey> {
        let names = self.topics.get(topic).into_iter().flatten();
        let names = names.filter(|((of, _), _)| *of == kind);
        let keys = names.map(|((kind, name), _)| ConsumerKey {
            topic: topic.clone(),
            kind: *kind,
            name: name.clone(),
        });
        keys.collect()
    }

    fn find(&self, key: &ConsumerKey) -> Option<&ConsumerState> {
        let consumers = self.topics.get(&key.topic)?;
        consumers.get(&(key.kind, key.name.clone()))
    }

    /// The number of topics that have a message or a consumer; `held` are those with a message.
    pub(super) fn topic_count(&self, held: &BTreeMap<Topic, TopicLog>) -> usize {
        let empty = self
            .topics
            .keys()
            .filter(|topic| !held.contains_key(*topic));
        held.len() + empty.count()
    }

    /// True if `topic` counts already, or may get its first message or consumer.
    pub(super) fn admits(&self, topic: &Topic, held: &BTreeMap<Topic, TopicLog>) -> bool {
        // The first sum is cheap, and counts a topic that has both twice.
        held.len() + self.topics.len() < self.settings.max_topics
            || held.contains_key(topic)
            || self.topics.contains_key(topic)
            || self.topic_count(held) < self.settings.max_topics
    }

    fn check_limits(
        &self,
        topic: &Topic,
        held: &BTreeMap<Topic, TopicLog>,
    ) -> Result<(), ConsumerError> {
        if self.topics.get(topic).map_or(0, BTreeMap::len) >= MAX_CONSUMERS_PER_TOPIC {
            return Err(ConsumerError::LimitReached);
        }
        if !self.admits(topic, held) {
            return Err(ConsumerError::TooManyTopics);
        }
        if self.count >= self.settings.max_consumers {
            let max = self.settings.max_consumers;
            let text = format!("the memory store holds at most {max} consumers");
            return Err(StoreError::Full(text).into());
        }
        Ok(())
    }
}

/// Expires the leases of `consumer` and runs `operation` on it; `usage` is the number of entries
/// and the bytes of copies of all consumers.
fn run<T>(
    settings: &MemoryStoreSettings,
    consumer: &mut ConsumerState,
    (entries, copy_bytes): (&mut usize, &mut usize),
    log: &TopicLog,
    now: Timestamp,
    operation: impl FnOnce(&mut ConsumerState, ConsumerStep<'_>) -> T,
) -> T {
    let of_others = (
        *entries - consumer.entry_count(),
        *copy_bytes - consumer.copy_bytes(),
    );
    let mut step = ConsumerStep {
        log,
        now,
        free_entries: 0,
    };
    consumer.expire(step);
    let own = consumer.entry_count();
    let shared = settings
        .max_consumer_entries
        .saturating_sub(of_others.0 + own);
    step.free_entries = shared.max(MemoryStoreSettings::OWN_ENTRIES.saturating_sub(own));
    let outcome = operation(consumer, step);
    *entries = of_others.0 + consumer.entry_count();
    *copy_bytes = of_others.1 + consumer.copy_bytes();
    outcome
}

/// The cursor of a position, at most the newest id: every later message is after it.
fn cursor(position: ConsumerPosition, at: StoreView<'_>) -> Result<MessageId, ConsumerError> {
    let cursor = position.cursor(at.newest);
    if cursor > at.newest && cursor.timestamp() > at.now {
        return Err(ConsumerError::PositionAhead);
    }
    Ok(cursor.min(at.newest))
}
