//! Appends inside one transaction of the writer, and the counts that all its writes change.

use std::collections::HashMap;
use std::sync::Arc;

use posthorn_application::{
    Append, AppendBatch, AppendError, Appended, AppendedBatch, Idempotency, TimeBounds,
};
use posthorn_domain::{
    Durability, MessageId, MessageParts, Receipt, Timestamp, Topic, TraceParent,
};
use rusqlite::{CachedStatement, Connection, params};

use super::consumers::OpenConsumers;
use super::writer_cache::{CommittedState, WriterCache};
use super::{
    IdColumns, TopicId, attributes_json, checksum, id, idempotency_keys, millis, read, starts,
    stored_column, topics,
};

const INSERT: &str = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

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
    /// The statement that inserts a message, once it was used.
    insert: Option<CachedStatement<'a>>,
    /// The changes of the topics' counts, and the times of their last messages.
    changes: HashMap<TopicId, (i64, i64)>,
    /// The counts of topics as they are written, of those that were read.
    written_counts: HashMap<TopicId, i64>,
    /// The consumers that calls have used.
    consumers: OpenConsumers,
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
            insert: None,
            changes: HashMap::new(),
            written_counts: HashMap::new(),
            consumers: OpenConsumers::default(),
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
    pub(super) fn message_count(&mut self, topic_id: TopicId) -> rusqlite::Result<i64> {
        let written = if let Some(written) = self.written_counts.get(&topic_id) {
            *written
        } else {
            let select = "SELECT message_count FROM topics WHERE topic_id = ?1";
            let mut select = self.connection.prepare_cached(select)?;
            let written = select.query_row([topic_id], |row| row.get(0))?;
            self.written_counts.insert(topic_id, written);
            written
        };
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
        match self.first_receipt(topic, idempotency.as_ref(), now)? {
            Ok(None) => {}
            Ok(Some(receipt)) => {
                return Ok(Ok(Appended {
                    receipt,
                    replayed: true,
                }));
            }
            Err(error) => return Ok(Err(error)),
        }
        let Some(topic_id) = self.admitted_topic(topic)? else {
            return Ok(Err(AppendError::TooManyTopics));
        };
        let latest = now.latest;
        let id = self.insert(topic_id, message.parts(), latest)?;
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
        let appended = |first, replayed| AppendedBatch {
            first,
            count: batch.len(),
            replayed,
        };
        match self.first_receipt(topic, idempotency.as_ref(), now)? {
            Ok(None) => {}
            Ok(Some(receipt)) => return Ok(Ok(appended(receipt, true))),
            Err(error) => return Ok(Err(error)),
        }
        let Some(topic_id) = self.admitted_topic(topic)? else {
            return Ok(Err(AppendError::TooManyTopics));
        };
        let bytes = batch
            .messages()
            .iter()
            .map(|message| message.parts().bytes());
        let bytes = u64::try_from(bytes.sum::<usize>()).unwrap_or(u64::MAX);
        if bytes > self.cache.max_bytes() {
            return Ok(Err(AppendError::TooLarge));
        }
        let mut first = None;
        for message in batch.messages() {
            let id = self.insert(topic_id, message.parts(), now.latest)?;
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

    /// The first receipt of a key, unless it was used for something else. A retry needs no place for its topic.
    fn first_receipt(
        &mut self,
        topic: &Topic,
        idempotency: Option<&Idempotency>,
        now: TimeBounds,
    ) -> rusqlite::Result<Result<Option<Receipt>, AppendError>> {
        let Some(idempotency) = idempotency else {
            return Ok(Ok(None));
        };
        let Some(topic_id) = self.find_topic(topic)? else {
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
        parts: MessageParts<'_>,
        now: Timestamp,
    ) -> rusqlite::Result<MessageId> {
        // No id is smaller than an earlier one, even if the clock goes back.
        let (ms, seq) = (self.last.0.max(millis(now)), self.last.1 + 1);
        if self.last == self.cache.last() && !self.cache.has_started() {
            starts::record(self.connection, (ms, seq))?;
        }
        self.last = (ms, seq);
        let id = id((ms, seq));
        let sum = checksum(id, parts, now);
        let (content, attributes) = (parts.content.as_str(), attributes_json(parts.attributes));
        let (stored, trace) = (
            stored_column(id, now),
            parts.traceparent.map(TraceParent::as_str),
        );
        let values = params![topic_id, ms, seq, content, attributes, stored, sum, trace];
        let insert = match &mut self.insert {
            Some(insert) => insert,
            none => none.insert(self.connection.prepare_cached(INSERT)?),
        };
        insert.execute(values)?;
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

    /// Counts `removed` messages of a topic that were deleted in this transaction.
    pub(super) fn count_deleted(&mut self, topic_id: TopicId, removed: usize) {
        let removed = i64::try_from(removed).unwrap_or(i64::MAX);
        self.changes.entry(topic_id).or_default().0 -= removed;
    }

    /// The consumers that calls have used.
    pub(super) fn consumers(&mut self) -> &mut OpenConsumers {
        &mut self.consumers
    }

    /// Writes what calls have changed of consumers, for statements that read or change their rows.
    pub(super) fn save_consumers(&mut self) -> rusqlite::Result<()> {
        self.consumers.save(self.connection)
    }

    /// Prepares for pruning in this transaction. Pruning reads the counts of topics and the consumers, so they
    /// are written first; it changes counts and deletes topics, so the cache is not used afterwards.
    pub(crate) fn before_pruning(&mut self) -> rusqlite::Result<()> {
        self.has_pruned = true;
        self.save_consumers()?;
        self.write_counts()?;
        self.written_counts.clear();
        Ok(())
    }

    /// Writes the consumers, the counts and the greatest id, before the commit.
    pub(crate) fn finish(mut self) -> rusqlite::Result<CommittedState> {
        self.save_consumers()?;
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
            if let Some(written) = self.written_counts.get_mut(&topic_id) {
                *written += change;
            }
        }
        Ok(())
    }

    /// The key of a topic that counts already, or may get its first message or consumer; `None` if there
    /// are too many.
    pub(super) fn admitted_topic(&mut self, topic: &Topic) -> rusqlite::Result<Option<TopicId>> {
        if let Some(topic_id) = self.find_topic(topic)?
            && self.is_counted(topic_id)?
        {
            return Ok(Some(topic_id));
        }
        // Far below the limit no count is needed, which reads each topic.
        let limit = self.cache.max_topics();
        if topics::at_most(self.connection)? >= limit {
            // The topics are counted in the file, where the changes of this transaction are missing.
            self.write_counts()?;
            if topics::count(self.connection)? >= limit {
                return Ok(None);
            }
        }
        self.topic_id(topic).map(Some)
    }

    /// True if the topic has a message or a consumer. A row is not enough: it outlasts both.
    fn is_counted(&mut self, topic_id: TopicId) -> rusqlite::Result<bool> {
        let has_grown = |(change, _): &(i64, i64)| *change > 0;
        if self.changes.get(&topic_id).is_some_and(has_grown) || self.message_count(topic_id)? > 0 {
            return Ok(true);
        }
        let select = "SELECT EXISTS (SELECT 1 FROM consumers WHERE topic_id = ?1)";
        let mut select = self.connection.prepare_cached(select)?;
        select.query_row([topic_id], |row| row.get(0))
    }

    /// The key of a topic, which is inserted if it has no row.
    fn topic_id(&mut self, topic: &Topic) -> rusqlite::Result<TopicId> {
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
