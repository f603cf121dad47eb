//! Deletion by clients, of one message or of the oldest ones, inside one transaction of the writer.

use posthorn_application::BulkDeletion;
use posthorn_domain::{MessageId, Timestamp, Topic};
use rusqlite::OptionalExtension;

use super::consumers::removals;
use super::write_batch::WriteBatch;
use super::{IdColumns, TopicId, columns};

/// Deletes a message; returns true if it existed.
pub(crate) fn delete(
    batch: &mut WriteBatch<'_>,
    topic: &Topic,
    id: MessageId,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let Some(topic_id) = batch.find_topic(topic)? else {
        return Ok(false);
    };
    let id = columns(id);
    Ok(delete_range(batch, topic_id, (id, id), now)? > 0)
}

/// Before every key, also a damaged one that is no id.
const LEAST: IdColumns = (i64::MIN, i64::MIN);

/// Deletes the oldest messages before `before`, at most `limit`.
pub(crate) fn delete_before(
    batch: &mut WriteBatch<'_>,
    topic: &Topic,
    before: MessageId,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<BulkDeletion> {
    let Some(topic_id) = batch.find_topic(topic)? else {
        return Ok(BulkDeletion::default());
    };
    let ((ms, seq), limit) = (columns(before), i64::try_from(limit).unwrap_or(i64::MAX));
    let select = "SELECT ms, seq FROM (SELECT ms, seq FROM messages \
            WHERE topic_id = ?1 AND (ms, seq) < (?2, ?3) ORDER BY ms, seq LIMIT ?4) \
        ORDER BY ms DESC, seq DESC LIMIT 1";
    let mut select = batch.connection().prepare_cached(select)?;
    let last = select.query_row((topic_id, ms, seq, limit), |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    let Some(last) = last.optional()? else {
        return Ok(BulkDeletion::default());
    };
    let deleted = delete_range(batch, topic_id, (LEAST, last), now)?;
    // The messages up to `last` are gone.
    let more =
        "SELECT EXISTS (SELECT 1 FROM messages WHERE topic_id = ?1 AND (ms, seq) < (?2, ?3))";
    let mut more = batch.connection().prepare_cached(more)?;
    let more = more.query_row((topic_id, ms, seq), |row| row.get(0))?;
    Ok(BulkDeletion { deleted, more })
}

/// Deletes the messages with these ids and between them; returns how many.
fn delete_range(
    batch: &mut WriteBatch<'_>,
    topic_id: TopicId,
    (first, last): (IdColumns, IdColumns),
    now: Timestamp,
) -> rusqlite::Result<usize> {
    batch.save_consumers()?;
    let connection = batch.connection();
    // Expired leases end first: the deletion must not settle a message that is dead already.
    removals::expire_all(connection, topic_id, now)?;
    // While the messages are there: a delivery of another message is none of the deletion's.
    removals::deleted(connection, topic_id, (first, last))?;
    let delete = "DELETE FROM messages \
        WHERE topic_id = ?1 AND (ms, seq) >= (?2, ?3) AND (ms, seq) <= (?4, ?5)";
    let values = (topic_id, first.0, first.1, last.0, last.1);
    let deleted = connection.prepare_cached(delete)?.execute(values)?;
    if deleted > 0 {
        batch.count_deleted(topic_id, deleted);
    }
    Ok(deleted)
}
