//! Creating, listing and deleting consumers.

use posthorn_application::{
    ConsumerCounts, ConsumerError, ConsumerPut, ConsumerStatus, MAX_CONSUMERS_PER_TOPIC,
    Precondition, PutConsumer,
};
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName, SettingsTag, Timestamp, Topic};
use rusqlite::{Connection, OptionalExtension, params};

use super::call::{Call, with_consumer};
use super::row::{CallContext, ConsumerId, backoff_text, count, millis, timestamp};
use super::seek::{count_to, cursor};
use crate::sql::write_batch::WriteBatch;
use crate::sql::{id, intact};

/// Creates the consumer `key`, or replaces its settings.
pub(crate) fn put(
    batch: &mut WriteBatch<'_>,
    key: &ConsumerKey,
    put: &PutConsumer,
    now: Timestamp,
) -> rusqlite::Result<Result<ConsumerPut, ConsumerError>> {
    let replaced = with_consumer(batch, key, now, |call| {
        if !call.meets(&put.precondition) {
            return Ok(Err(ConsumerError::PreconditionFailed));
        }
        call.consumer.settings = put.settings.clone();
        call.consumer.tag = put.tag;
        Ok(Ok(ConsumerPut {
            created: false,
            status: call.status()?,
        }))
    })?;
    match replaced {
        Ok(outcome) => Ok(outcome),
        Err(ConsumerError::NotFound) => create(batch, key, put, now),
        Err(error) => Ok(Err(error)),
    }
}

/// Creates the consumer `key`, which does not exist.
fn create(
    batch: &mut WriteBatch<'_>,
    key: &ConsumerKey,
    put: &PutConsumer,
    now: Timestamp,
) -> rusqlite::Result<Result<ConsumerPut, ConsumerError>> {
    if !put.precondition.holds(None) {
        return Ok(Err(ConsumerError::PreconditionFailed));
    }
    if let Some(topic_id) = batch.find_topic(&key.topic)? {
        let select = "SELECT count(*) FROM consumers WHERE topic_id = ?1";
        let mut select = batch.connection().prepare_cached(select)?;
        let consumers: i64 = select.query_row([topic_id], |row| row.get(0))?;
        if usize::try_from(consumers).unwrap_or(0) >= MAX_CONSUMERS_PER_TOPIC {
            return Ok(Err(ConsumerError::LimitReached));
        }
    }
    let Some(topic_id) = batch.admitted_topic(&key.topic)? else {
        return Ok(Err(ConsumerError::TooManyTopics));
    };
    let cursor = match cursor(put.start, batch.last(), now) {
        Ok(cursor) => cursor,
        Err(error) => return Ok(Err(error)),
    };
    let step = CallContext {
        connection: batch.connection(),
        topic_id,
        now: millis(now),
    };
    let held = batch.message_count(topic_id)?;
    let behind = count_to(step, cursor, batch.last(), held)?;
    // Ids are never given again: what is late for a deleted consumer must not meet its successor.
    let next = "INSERT INTO counters \
         VALUES ('consumer_id', (SELECT ifnull(max(consumer_id), 0) + 1 FROM consumers)) \
         ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value";
    let mut next = step.connection.prepare_cached(next)?;
    let consumer_id: i64 = next.query_row([], |row| row.get(0))?;
    let insert = "INSERT INTO consumers (consumer_id, topic_id, kind, name, tag, lease_ms, max_attempts, \
         backoff_ms, max_in_flight, cursor_ms, cursor_seq, behind) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    step.connection.prepare_cached(insert)?.execute(params![
        consumer_id,
        topic_id,
        key.kind.as_str(),
        key.name.as_str(),
        put.tag.to_string(),
        put.settings.lease.as_millis(),
        put.settings.max_attempts.get(),
        backoff_text(&put.settings.backoff),
        put.settings.max_in_flight.get(),
        cursor.0,
        cursor.1,
        behind,
    ])?;
    let status = status(batch, key, now)?;
    Ok(status.map(|status| ConsumerPut {
        created: true,
        status,
    }))
}

/// Settings and counts of the consumer `key`.
fn status(
    batch: &mut WriteBatch<'_>,
    key: &ConsumerKey,
    now: Timestamp,
) -> rusqlite::Result<Result<ConsumerStatus, ConsumerError>> {
    with_consumer(batch, key, now, |call| call.status())
}

/// The keys of the consumers of `topic` of this kind, by name. A damaged name hides only itself.
pub(crate) fn keys(
    batch: &mut WriteBatch<'_>,
    topic: &Topic,
    kind: ConsumerKind,
) -> rusqlite::Result<Vec<ConsumerKey>> {
    let Some(topic_id) = batch.find_topic(topic)? else {
        return Ok(Vec::new());
    };
    let select = "SELECT name FROM consumers WHERE topic_id = ?1 AND kind = ?2 ORDER BY name";
    let mut select = batch.connection().prepare_cached(select)?;
    let names = select.query_map((topic_id, kind.as_str()), |row| row.get::<_, String>(0))?;
    let mut keys = Vec::new();
    for name in names {
        let (name, topic) = (name?, topic.clone());
        match ConsumerName::parse(&name) {
            Ok(name) => keys.push(ConsumerKey { topic, kind, name }),
            Err(error) => {
                tracing::debug!(%topic, consumer = name, %error, "skipping a damaged consumer");
            }
        }
    }
    Ok(keys)
}

/// The topics after `after` that have a consumer, by name.
pub(crate) fn topics(
    connection: &Connection,
    after: Option<&Topic>,
    limit: usize,
) -> rusqlite::Result<Vec<Topic>> {
    // `+` keeps SQLite from reading all topics in the order of their names: few have a consumer, and the
    // metrics read them every few seconds.
    let select = "SELECT name FROM topics WHERE topic_id IN (SELECT topic_id FROM consumers) \
         AND +name > ?1 ORDER BY +name LIMIT ?2";
    let after = after.map_or("", Topic::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(select)?;
    let names = select.query_map((after, limit), |row| row.get::<_, String>(0))?;
    // A damaged name hides only itself.
    let names = names.filter_map(|name| name.map(|name| Topic::parse(&name).ok()).transpose());
    names.collect()
}

/// Removes the consumer `key` with all that it keeps.
pub(crate) fn delete(
    batch: &mut WriteBatch<'_>,
    key: &ConsumerKey,
    precondition: &Precondition,
    now: Timestamp,
) -> rusqlite::Result<Result<(), ConsumerError>> {
    let Some(topic_id) = batch.find_topic(&key.topic)? else {
        return Ok(Err(ConsumerError::NotFound));
    };
    batch.save_consumers()?;
    let step = CallContext {
        connection: batch.connection(),
        topic_id,
        now: millis(now),
    };
    // Not its whole row: one that is damaged can be deleted.
    let select =
        "SELECT consumer_id, tag FROM consumers WHERE topic_id = ?1 AND kind = ?2 AND name = ?3";
    let values = (topic_id, key.kind.as_str(), key.name.as_str());
    let found: Option<(ConsumerId, Option<String>)> = step
        .connection
        .prepare_cached(select)?
        .query_row(values, |row| Ok((row.get(0)?, intact(row.get(1))?)))
        .optional()?;
    let Some((consumer_id, tag)) = found else {
        return Ok(Err(ConsumerError::NotFound));
    };
    if !precondition.holds(SettingsTag::parse(&tag.unwrap_or_default())) {
        return Ok(Err(ConsumerError::PreconditionFailed));
    }
    for delete in [
        "DELETE FROM deliveries WHERE consumer_id = ?1",
        "DELETE FROM dead_letters WHERE consumer_id = ?1",
        "DELETE FROM webhook_attempts WHERE consumer_id = ?1",
        "DELETE FROM webhooks WHERE consumer_id = ?1",
        "DELETE FROM consumers WHERE consumer_id = ?1",
    ] {
        step.connection
            .prepare_cached(delete)?
            .execute([consumer_id])?;
    }
    Ok(Ok(()))
}

impl Call<'_> {
    /// The consumer at a glance.
    pub(crate) fn status(&self) -> rusqlite::Result<ConsumerStatus> {
        let consumer = &*self.consumer;
        let oldest = self.oldest_waiting()?;
        Ok(ConsumerStatus {
            key: self.key.clone(),
            settings: consumer.settings.clone(),
            tag: consumer.tag,
            counts: ConsumerCounts {
                waiting: count(self.held - consumer.behind + consumer.waiting),
                in_flight: count(consumer.leased),
                dead: count(consumer.dead),
                missed: count(consumer.missed),
                dead_dropped: count(consumer.dead_dropped),
            },
            oldest_waiting_at: oldest.map(|oldest| id(oldest).timestamp()),
            last_pull_at: consumer.last_pull_ms.map(timestamp),
        })
    }

    /// The smallest id of the new messages and the waiting deliveries.
    fn oldest_waiting(&self) -> rusqlite::Result<Option<(i64, i64)>> {
        let CallContext {
            connection,
            topic_id,
            ..
        } = self.step;
        let new = "SELECT ms, seq FROM messages WHERE topic_id = ?1 AND (ms, seq) > (?2, ?3) \
             ORDER BY ms, seq LIMIT 1";
        let (ms, seq) = self.consumer.cursor;
        let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let new = connection
            .prepare_cached(new)?
            .query_row((topic_id, ms, seq), columns)
            .optional()?;
        let waiting = "SELECT ms, seq FROM deliveries WHERE consumer_id = ?1 AND nonce IS NULL \
             ORDER BY ms, seq LIMIT 1";
        let waiting = connection
            .prepare_cached(waiting)?
            .query_row([self.consumer.id], columns)
            .optional()?;
        Ok(new.into_iter().chain(waiting).min())
    }
}
