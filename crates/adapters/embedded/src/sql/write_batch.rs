//! Appends and deletes inside one transaction of the writer.

use std::collections::HashMap;
use std::sync::Arc;

use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, Idempotency, TimeBounds,
};
use posthorn_domain::{
    Attributes, Durability, MessageContent, MessageId, Receipt, Timestamp, Topic,
};
use rusqlite::{Connection, params};

use super::consumers::removals;
use super::writer_cache::{CommittedState, WriterCache};
use super::{
    IdColumns, TopicId, attributes_json, columns, id, idempotency_keys, millis, read, stored_column,
};

/// The operations of one transaction. Counters and counts are written once for all of them, and the
/// cache learns of them after the commit only.
pub(crate) struct WriteBatch<'a> {
    connection: &'a Connection,
    durability: Durability,
    cache: &'a WriterCache,
    /// True if topics may have been deleted since the transaction began, and their keys be assigned
    /// again: then the cache is not used.
    has_pruned: bool,
    last: IdColumns,
    /// The changes of the topics' counts, and the times of their last messages.
    changes: HashMap<TopicId, (i64, i64)>,
    /// The topics that were inserted or found.
    topics: Vec<(Topic, TopicId)>,
}

impl<'a> WriteBatch<'a> {
    /// An empty batch at the start of a transaction.
    pub(crate) fn new(
        connection: &'a Connection,
        durability: Durability,
        cache: &'a WriterCache,
    ) -> Self {
        Self {
            connection,
            durability,
            cache,
            has_pruned: false,
            last: cache.last(),
            changes: HashMap::new(),
            topics: Vec::new(),
        }
    }

    /// The open transaction.
    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// The greatest id assigned so far.
    pub(crate) fn last(&self) -> IdColumns {
        self.last
    }

    /// The number of messages of a topic, with the changes of this transaction.
    pub(super) fn message_count(&self, topic_id: TopicId) -> rusqlite::Result<i64> {
        let select = "SELECT message_count FROM topics WHERE topic_id = ?1";
        let mut select = self.connection.prepare_cached(select)?;
        let written: i64 = select.query_row([topic_id], |row| row.get(0))?;
        let change = self.changes.get(&topic_id);
        Ok(written + change.map_or(0, |(change, _)| *change))
    }

    /// Appends a message, or returns the first receipt of its key. The message is dated by the latest
    /// time of `now`, and a key expires by the earliest.
    pub(crate) fn append(
        &mut self,
        append: &Append,
        now: TimeBounds,
    ) -> rusqlite::Result<Result<Appended, AppendError>> {
        let Append {
            message,
            instance,
            idempotency,
        } = append;
        let topic = &message.topic;
        let topic_id = self.topic_id(topic)?;
        match self.first_receipt(topic_id, topic, idempotency.as_ref(), now)? {
            Ok(None) => {}
            Ok(Some(receipt)) => {
                return Ok(Ok(Appended {
                    receipt,
                    replayed: true,
                }));
            }
            Err(error) => return Ok(Err(error)),
        }
        let latest = now.latest;
        let id = self.insert(topic_id, &message.content, &message.attributes, latest)?;
        let receipt = self.receipt(id, topic, instance, latest);
        if let Some(idempotency) = idempotency {
            idempotency_keys::insert(self.connection, topic_id, idempotency, &receipt, latest)?;
        }
        Ok(Ok(Appended {
            receipt,
            replayed: false,
        }))
    }

    /// Appends the messages of a batch, or returns the first receipt of its key. The transaction makes
    /// them one step: if an insert fails, none of its commands is committed.
    pub(crate) fn append_batch(
        &mut self,
        append: &AppendBatch,
        now: TimeBounds,
    ) -> rusqlite::Result<Result<AppendedBatch, AppendError>> {
        let AppendBatch {
            topic,
            batch,
            instance,
            idempotency,
        } = append;
        let topic_id = self.topic_id(topic)?;
        let appended = |first, replayed| AppendedBatch {
            first,
            count: batch.len(),
            replayed,
        };
        match self.first_receipt(topic_id, topic, idempotency.as_ref(), now)? {
            Ok(None) => {}
            Ok(Some(receipt)) => return Ok(Ok(appended(receipt, true))),
            Err(error) => return Ok(Err(error)),
        }
        let mut first = None;
        for message in batch.messages() {
            let id = self.insert(topic_id, &message.content, &message.attributes, now.latest)?;
            first.get_or_insert(id);
        }
        // A batch has at least one message.
        let first = first.unwrap_or(MessageId::MIN);
        let first = self.receipt(first, topic, instance, now.latest);
        if let Some(idempotency) = idempotency {
            idempotency_keys::insert(self.connection, topic_id, idempotency, &first, now.latest)?;
        }
        Ok(Ok(appended(first, false)))
    }

    /// The first receipt of a key, unless it was used for something else.
    fn first_receipt(
        &self,
        topic_id: TopicId,
        topic: &Topic,
        idempotency: Option<&Idempotency>,
        now: TimeBounds,
    ) -> rusqlite::Result<Result<Option<Receipt>, AppendError>> {
        let Some(idempotency) = idempotency else {
            return Ok(Ok(None));
        };
        let expired = now.earliest;
        let found = idempotency_keys::find(self.connection, topic_id, topic, idempotency, expired)?;
        Ok(match found {
            Some((fingerprint, _)) if fingerprint != idempotency.fingerprint.as_bytes() => {
                Err(AppendError::KeyReused)
            }
            found => Ok(found.map(|(_, receipt)| receipt)),
        })
    }

    /// Inserts a message at the end of its topic.
    fn insert(
        &mut self,
        topic_id: TopicId,
        content: &MessageContent,
        attributes: &Attributes,
        now: Timestamp,
    ) -> rusqlite::Result<MessageId> {
        // No id is smaller than an earlier one, even if the clock goes back.
        let (ms, seq) = (self.last.0.max(millis(now)), self.last.1 + 1);
        self.last = (ms, seq);
        let id = id((ms, seq));
        let insert = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let attributes = attributes_json(attributes);
        let stored = stored_column(id, now);
        let values = params![topic_id, ms, seq, content.as_str(), attributes, stored];
        self.connection.prepare_cached(insert)?.execute(values)?;
        let change = self.changes.entry(topic_id).or_default();
        *change = (change.0 + 1, ms);
        Ok(id)
    }

    fn receipt(
        &self,
        id: MessageId,
        topic: &Topic,
        instance: &Arc<str>,
        processed_at: Timestamp,
    ) -> Receipt {
        Receipt {
            id,
            topic: topic.clone(),
            durability: self.durability,
            instance: Arc::clone(instance),
            processed_at,
        }
    }

    /// Deletes a message; returns true if it existed.
    pub(crate) fn delete(
        &mut self,
        topic: &Topic,
        id: MessageId,
        now: Timestamp,
    ) -> rusqlite::Result<bool> {
        let Some(topic_id) = self.find_topic(topic)? else {
            return Ok(false);
        };
        // Expired leases end first: the deletion must not settle a message that is dead already.
        removals::expire_all(self.connection, topic_id, now)?;
        let (ms, seq) = columns(id);
        let delete = "DELETE FROM messages WHERE topic_id = ?1 AND ms = ?2 AND seq = ?3";
        let deleted = self
            .connection
            .prepare_cached(delete)?
            .execute((topic_id, ms, seq))?;
        if deleted > 0 {
            self.changes.entry(topic_id).or_default().0 -= 1;
            removals::deleted(self.connection, topic_id, (ms, seq))?;
        }
        Ok(deleted > 0)
    }

    /// Prepares for pruning in this transaction. Pruning reads the counts of topics, so they are
    /// written first; it deletes topics, so the cache is not used afterwards.
    pub(crate) fn before_pruning(&mut self) -> rusqlite::Result<()> {
        self.has_pruned = true;
        self.write_counts()
    }

    /// Writes the counts and the greatest id, before the commit.
    pub(crate) fn finish(mut self) -> rusqlite::Result<CommittedState> {
        self.write_counts()?;
        if self.last != self.cache.last() {
            let counter = "UPDATE counters SET value = ?2 WHERE name = ?1";
            let mut counter = self.connection.prepare_cached(counter)?;
            counter.execute(("last_ms", self.last.0))?;
            counter.execute(("last_seq", self.last.1))?;
        }
        Ok(CommittedState {
            last: self.last,
            topics: self.topics,
            has_pruned: self.has_pruned,
        })
    }

    fn write_counts(&mut self) -> rusqlite::Result<()> {
        let count = "UPDATE topics SET message_count = message_count + ?2, \
                     last_ms = max(last_ms, ?3) WHERE topic_id = ?1";
        let mut count = self.connection.prepare_cached(count)?;
        for (topic_id, (change, ms)) in self.changes.drain() {
            count.execute((topic_id, change, ms))?;
        }
        Ok(())
    }

    /// The key of a topic, which is inserted if it has no row.
    pub(super) fn topic_id(&mut self, topic: &Topic) -> rusqlite::Result<TopicId> {
        if let Some(topic_id) = self.find_topic(topic)? {
            return Ok(topic_id);
        }
        // The topic may have existed before: it starts at the watermark of all deleted topics.
        let (ms, seq) = read::forgotten_watermark(self.connection)?;
        let insert = "INSERT INTO topics (name, pruned_ms, pruned_seq) VALUES (?1, ?2, ?3)";
        let topic_id = self
            .connection
            .prepare_cached(insert)?
            .insert((topic.as_str(), ms, seq))?;
        self.topics.push((topic.clone(), topic_id));
        Ok(topic_id)
    }

    /// The key of a topic, if it has a row.
    pub(super) fn find_topic(&mut self, topic: &Topic) -> rusqlite::Result<Option<TopicId>> {
        if !self.has_pruned
            && let Some(topic_id) = self.cache.topic_id(topic)
        {
            return Ok(Some(topic_id));
        }
        let found = read::topic_id(self.connection, topic)?;
        if let Some(topic_id) = found {
            self.topics.push((topic.clone(), topic_id));
        }
        Ok(found)
    }
}
