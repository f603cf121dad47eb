//! Appending and deleting, inside the writer's transaction.

use std::collections::HashMap;
use std::sync::Arc;

use posthorn_application::{Append, AppendError, Appended, Idempotency};
use posthorn_domain::{Durability, MessageId, Receipt, Timestamp, Topic};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, params};

use super::{TopicId, attributes_json, columns, consumers, id};

/// How many topics' keys are remembered between transactions.
const KNOWN_TOPICS: usize = 10_000;

/// What the writer knows between transactions.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The greatest id ever given.
    last: (i64, i64),
    topics: HashMap<Topic, TopicId>,
}

/// What a transaction changed of that knowledge.
pub(crate) struct Committed {
    last: (i64, i64),
    topics: Vec<(Topic, TopicId)>,
}

/// One transaction's view of that knowledge; it replaces it once the transaction is committed.
pub(crate) struct Group<'a> {
    connection: &'a Connection,
    durability: Durability,
    memory: &'a Memory,
    /// Whether topics may be gone since the transaction began, and their keys be given anew.
    has_pruned: bool,
    last: (i64, i64),
    /// By how much the counts of topics change, and the time of their last message.
    changes: HashMap<TopicId, (i64, i64)>,
    /// Topics that the transaction made; they are known only once it is committed.
    made: Vec<(Topic, TopicId)>,
}

impl Memory {
    /// What the file says.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let counter = |name: &str| {
            let value = "SELECT value FROM counters WHERE name = ?1";
            connection.query_row(value, [name], |row| row.get(0))
        };
        let last = (counter("last_ms")?, counter("last_seq")?);
        Ok(Self {
            last,
            topics: HashMap::new(),
        })
    }

    /// Takes over what a committed transaction changed.
    pub(crate) fn take_over(&mut self, committed: Committed) {
        self.last = committed.last;
        if self.topics.len() + committed.topics.len() > KNOWN_TOPICS {
            self.topics.clear();
        }
        self.topics.extend(committed.topics);
    }

    /// Forgets the topics: some may be gone from the file.
    pub(crate) fn forget_topics(&mut self) {
        self.topics.clear();
    }
}

impl<'a> Group<'a> {
    /// The view of a transaction that was just begun.
    pub(crate) fn new(
        connection: &'a Connection,
        durability: Durability,
        memory: &'a Memory,
    ) -> Self {
        let last = memory.last;
        Self {
            connection,
            durability,
            memory,
            has_pruned: false,
            last,
            changes: HashMap::new(),
            made: Vec::new(),
        }
    }

    /// The open transaction.
    pub(super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// The greatest id given so far.
    pub(super) fn last(&self) -> (i64, i64) {
        self.last
    }

    /// The number of messages that a topic holds, with the changes of this transaction.
    pub(super) fn message_count(&self, topic_id: TopicId) -> rusqlite::Result<i64> {
        let select = "SELECT message_count FROM topics WHERE topic_id = ?1";
        let mut select = self.connection.prepare_cached(select)?;
        let written: i64 = select.query_row([topic_id], |row| row.get(0))?;
        let change = self.changes.get(&topic_id);
        Ok(written + change.map_or(0, |(change, _)| *change))
    }

    /// Appends a message, or finds the first receipt of its key.
    pub(crate) fn append(
        &mut self,
        append: &Append,
        now: Timestamp,
    ) -> rusqlite::Result<Result<Appended, AppendError>> {
        let Append {
            message,
            instance,
            idempotency,
        } = append;
        let topic_id = self.topic_id(&message.topic)?;
        if let Some(idempotency) = idempotency
            && let Some((fingerprint, receipt)) =
                self.remembered(topic_id, &message.topic, idempotency, now)?
        {
            let same = fingerprint == idempotency.fingerprint.as_bytes();
            let replay = Appended {
                receipt,
                replayed: true,
            };
            return Ok(if same {
                Ok(replay)
            } else {
                Err(AppendError::KeyReused)
            });
        }
        let (ms, seq) = self.next_id(now);
        let insert = "INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5)";
        let attributes = attributes_json(&message.attributes);
        let values = params![topic_id, ms, seq, message.content.as_str(), attributes];
        self.connection.prepare_cached(insert)?.execute(values)?;
        let change = self.changes.entry(topic_id).or_default();
        *change = (change.0 + 1, ms);
        if let Some(idempotency) = idempotency {
            self.remember(topic_id, idempotency, (ms, seq), instance, now)?;
        }
        let receipt = Receipt {
            id: id(ms, seq),
            topic: message.topic.clone(),
            durability: self.durability,
            instance: Arc::clone(instance),
        };
        Ok(Ok(Appended {
            receipt,
            replayed: false,
        }))
    }

    /// Removes a message; says whether it was there.
    pub(crate) fn delete(
        &mut self,
        topic: &Topic,
        id: MessageId,
        now: Timestamp,
    ) -> rusqlite::Result<bool> {
        let Some(topic_id) = self.find_topic(topic)? else {
            return Ok(false);
        };
        // Leases that are over end first: the removal must not settle what had died before it.
        consumers::expire_all(self.connection, topic_id, now)?;
        let (ms, seq) = columns(id);
        let delete = "DELETE FROM messages WHERE topic_id = ?1 AND ms = ?2 AND seq = ?3";
        let deleted = self
            .connection
            .prepare_cached(delete)?
            .execute((topic_id, ms, seq))?;
        if deleted > 0 {
            self.changes.entry(topic_id).or_default().0 -= 1;
            consumers::deleted(self.connection, topic_id, (ms, seq))?;
        }
        Ok(deleted > 0)
    }

    /// Writes what changed for all operations together; the commit comes next.
    pub(crate) fn finish(&mut self) -> rusqlite::Result<()> {
        self.finish_changes()?;
        if self.last != self.memory.last {
            let counter = "UPDATE counters SET value = ?2 WHERE name = ?1";
            let mut counter = self.connection.prepare_cached(counter)?;
            counter.execute(("last_ms", self.last.0))?;
            counter.execute(("last_seq", self.last.1))?;
        }
        Ok(())
    }

    /// Makes ready for pruning in this transaction: the counts so far have to be there before they
    /// are compared, and what is known of topics holds no longer.
    pub(crate) fn before_pruning(&mut self) -> rusqlite::Result<()> {
        self.has_pruned = true;
        self.finish_changes()
    }

    /// Writes the changes of the topics' counts so far.
    fn finish_changes(&mut self) -> rusqlite::Result<()> {
        let count = "UPDATE topics SET message_count = message_count + ?2, \
                     last_ms = max(last_ms, ?3) WHERE topic_id = ?1";
        let mut count = self.connection.prepare_cached(count)?;
        for (topic_id, (change, ms)) in self.changes.drain() {
            count.execute((topic_id, change, ms))?;
        }
        Ok(())
    }

    /// What is known once the transaction is committed.
    pub(crate) fn into_committed(self) -> Committed {
        Committed {
            last: self.last,
            topics: self.made,
        }
    }

    /// Never before an id that was given, whatever the clock says.
    fn next_id(&mut self, now: Timestamp) -> (i64, i64) {
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        self.last = (self.last.0.max(now), self.last.1 + 1);
        self.last
    }

    /// The key of a topic, which is added if the file does not know it.
    pub(super) fn topic_id(&mut self, topic: &Topic) -> rusqlite::Result<TopicId> {
        if let Some(topic_id) = self.find_topic(topic)? {
            return Ok(topic_id);
        }
        // It may have been there before and forgotten since.
        let (ms, seq) = super::read::forgotten(self.connection)?;
        let insert = "INSERT INTO topics (name, pruned_ms, pruned_seq) VALUES (?1, ?2, ?3)";
        let topic_id = self
            .connection
            .prepare_cached(insert)?
            .insert((topic.as_str(), ms, seq))?;
        self.made.push((topic.clone(), topic_id));
        Ok(topic_id)
    }

    /// The key of a topic, if the file knows it.
    pub(super) fn find_topic(&mut self, topic: &Topic) -> rusqlite::Result<Option<TopicId>> {
        if !self.has_pruned
            && let Some(topic_id) = self.memory.topics.get(topic)
        {
            return Ok(Some(*topic_id));
        }
        let found = super::read::topic_id(self.connection, topic)?;
        if let Some(topic_id) = found {
            self.made.push((topic.clone(), topic_id));
        }
        Ok(found)
    }

    /// The fingerprint and the receipt of the first append with a key, unless its time is over.
    fn remembered(
        &self,
        topic_id: TopicId,
        topic: &Topic,
        idempotency: &Idempotency,
        now: Timestamp,
    ) -> rusqlite::Result<Option<(Vec<u8>, Receipt)>> {
        let select = "SELECT fingerprint, ms, seq, durability, pod FROM idempotency_keys \
                      WHERE topic_id = ?1 AND key = ?2 AND expires_ms > ?3";
        let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let key = idempotency.key.as_str();
        let mut select = self.connection.prepare_cached(select)?;
        let found = select.query_row((topic_id, key, now), |row| {
            let durability =
                row.get_ref(3)?.as_str()?.parse().map_err(|error| {
                    Error::FromSqlConversionFailure(3, Type::Text, Box::new(error))
                })?;
            let receipt = Receipt {
                id: id(row.get(1)?, row.get(2)?),
                topic: topic.clone(),
                durability,
                instance: Arc::from(row.get_ref(4)?.as_str()?),
            };
            Ok((row.get(0)?, receipt))
        });
        found.optional()
    }

    fn remember(
        &self,
        topic_id: TopicId,
        idempotency: &Idempotency,
        (ms, seq): (i64, i64),
        instance: &str,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        // A key whose time is over gives way to the new one.
        let insert =
            "INSERT OR REPLACE INTO idempotency_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let expires = now.saturating_add(idempotency.ttl).as_millis();
        let values = params![
            topic_id,
            idempotency.key.as_str(),
            idempotency.fingerprint.as_bytes().as_slice(),
            ms,
            seq,
            self.durability.as_str(),
            instance,
            i64::try_from(expires).unwrap_or(i64::MAX),
        ];
        self.connection
            .prepare_cached(insert)?
            .execute(values)
            .map(drop)
    }
}
