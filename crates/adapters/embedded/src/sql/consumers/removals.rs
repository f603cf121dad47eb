//! Messages that leave their topic, as its consumers see it.

use posthorn_domain::Timestamp;
use rusqlite::{Connection, params};

use super::entries::DeliveryFate;
use super::row::{COLUMNS, CallContext, ConsumerRow, millis};
use crate::sql::TopicId;

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

/// A client deleted the message: it waits no longer, and the end of its lease settles it.
pub(crate) fn deleted(
    connection: &Connection,
    topic_id: TopicId,
    (ms, seq): (i64, i64),
) -> rusqlite::Result<()> {
    let step = CallContext {
        connection,
        topic_id,
        now: 0,
    };
    update_each(step, |consumer| {
        if (ms, seq) > consumer.cursor {
            return Ok(());
        }
        consumer.behind -= 1;
        let delete = "DELETE FROM deliveries WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3 \
             AND nonce IS NULL RETURNING content IS NOT NULL";
        let copies: Vec<bool> = connection
            .prepare_cached(delete)?
            .query_map((consumer.id, ms, seq), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for has_copy in copies {
            consumer.waiting -= 1;
            consumer.copies -= i64::from(has_copy);
        }
        let settle = "UPDATE deliveries SET fate = ?4 \
             WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let values = (consumer.id, ms, seq, DeliveryFate::Settled.number());
        connection.prepare_cached(settle)?.execute(values)?;
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
    let consumers: Vec<ConsumerRow> = step
        .connection
        .prepare_cached(&select)?
        .query_map([step.topic_id], ConsumerRow::from_row)?
        .collect::<rusqlite::Result<_>>()?;
    for mut consumer in consumers {
        let before = consumer.clone();
        change(&mut consumer)?;
        if consumer != before {
            consumer.save(step.connection)?;
        }
    }
    Ok(())
}
