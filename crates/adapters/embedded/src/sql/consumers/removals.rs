//! Messages that leave their topic, as its consumers see it.

use posthorn_domain::Timestamp;
use rusqlite::{Connection, params};

use super::entries::DeliveryFate;
use super::row::{COLUMNS, CallContext, ConsumerRow, millis};
use crate::sql::{IdColumns, TopicId, intact};

/// Ends the expired leases of every consumer of a topic: a removal comes next, and what was over
/// before it must not look as if the removal had ended it.
pub(crate) fn expire_all(
    connection: &Connection,
    topic_id: TopicId,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let step = CallContext {
        connection,
        topic_id,
        now: millis(now),
    };
    update_each(step, |consumer| consumer.expire(step))
}

/// A client deletes the messages of the topic from `first` to `last`, which are still there: they wait no longer, and
/// the end of a lease settles its message.
pub(crate) fn deleted(
    connection: &Connection,
    topic_id: TopicId,
    (first, last): (IdColumns, IdColumns),
) -> rusqlite::Result<()> {
    let step = CallContext {
        connection,
        topic_id,
        now: 0,
    };
    update_each(step, |consumer| {
        // Later messages are new: they have no delivery, and are not counted.
        let last = last.min(consumer.cursor);
        let count = "SELECT count(*) FROM messages \
             WHERE topic_id = ?1 AND (ms, seq) >= (?2, ?3) AND (ms, seq) <= (?4, ?5)";
        let values = (topic_id, first.0, first.1, last.0, last.1);
        let mut count = connection.prepare_cached(count)?;
        consumer.behind -= count.query_row(values, |row| row.get::<_, i64>(0))?;
        // A redriven message that retention has removed before keeps its delivery.
        let deleted = "consumer_id = ?1 AND (ms, seq) >= (?2, ?3) AND (ms, seq) <= (?4, ?5) \
             AND EXISTS (SELECT 1 FROM messages m \
                 WHERE m.topic_id = ?6 AND m.ms = deliveries.ms AND m.seq = deliveries.seq)";
        let delete = format!(
            "DELETE FROM deliveries WHERE {deleted} AND nonce IS NULL RETURNING content IS NOT NULL"
        );
        let values = (consumer.id, first.0, first.1, last.0, last.1, topic_id);
        let copies: Vec<bool> = connection
            .prepare_cached(&delete)?
            .query_map(values, |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for has_copy in copies {
            consumer.waiting -= 1;
            consumer.copies -= i64::from(has_copy);
        }
        let settle = format!("UPDATE deliveries SET fate = ?7 WHERE {deleted}");
        let (id, fate) = (consumer.id, DeliveryFate::Settled.number());
        let values = params![id, first.0, first.1, last.0, last.1, topic_id, fate];
        connection.prepare_cached(&settle)?.execute(values)?;
        Ok(())
    })
}

/// Retention removed `count` messages, all up to the id `last`: what was not settled is missed.
pub(crate) fn pruned(
    connection: &Connection,
    topic_id: TopicId,
    last: (i64, i64),
    count: i64,
) -> rusqlite::Result<()> {
    let step = CallContext {
        connection,
        topic_id,
        now: 0,
    };
    update_each(step, |consumer| {
        // Retention removes from the oldest on: where it went past the cursor, all that was behind
        // is gone, and the rest was new.
        let behind = if last > consumer.cursor {
            consumer.behind
        } else {
            count
        };
        consumer.behind -= behind;
        consumer.missed += count - behind;
        let (ms, seq) = last;
        // Copies stay. A delivery whose message was deleted before is none of retention's.
        let removed =
            "consumer_id = ?1 AND (ms, seq) <= (?2, ?3) AND content IS NULL AND fate = ?4";
        let retry = DeliveryFate::Retry.number();
        let delete = format!("DELETE FROM deliveries WHERE {removed} AND nonce IS NULL");
        let waited = connection
            .prepare_cached(&delete)?
            .execute((consumer.id, ms, seq, retry))?;
        let waited = i64::try_from(waited).unwrap_or(i64::MAX);
        consumer.waiting -= waited;
        consumer.missed += waited;
        let miss = format!("UPDATE deliveries SET fate = ?5 WHERE {removed}");
        let values = params![consumer.id, ms, seq, retry, DeliveryFate::Missed.number()];
        connection.prepare_cached(&miss)?.execute(values)?;
        Ok(())
    })
}

/// Changes each consumer of the topic and writes what changed of its row.
fn update_each(
    step: CallContext<'_>,
    mut change: impl FnMut(&mut ConsumerRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let select = format!("SELECT {COLUMNS} FROM consumers WHERE topic_id = ?1");
    // A damaged consumer must not keep the messages of its topic.
    let consumers: Vec<Option<ConsumerRow>> = step
        .connection
        .prepare_cached(&select)?
        .query_map([step.topic_id], |row| intact(ConsumerRow::from_row(row)))?
        .collect::<rusqlite::Result<_>>()?;
    for mut consumer in consumers.into_iter().flatten() {
        let before = consumer.clone();
        change(&mut consumer)?;
        if consumer != before {
            consumer.save(step.connection)?;
        }
    }
    Ok(())
}
