//! Positions, and moving a consumer to one.

use posthorn_application::ConsumerError;
use posthorn_domain::{ConsumerPosition, Timestamp};
use rusqlite::params;

use super::call::Call;
use super::entries::DeliveryFate;
use super::row::{CallContext, timestamp};
use crate::sql::{columns, id};

/// The cursor of a position, at most the newest id: every later message is after it.
///
/// # Errors
/// [`ConsumerError::PositionAhead`] for a position after the newest id and in the future.
pub(super) fn cursor(
    position: ConsumerPosition,
    newest: (i64, i64),
    now: Timestamp,
) -> Result<(i64, i64), ConsumerError> {
    let newest = id(newest);
    let cursor = position.cursor(newest);
    if cursor > newest && cursor.timestamp() > now {
        return Err(ConsumerError::PositionAhead);
    }
    Ok(columns(cursor.min(newest)))
}

/// The number of messages of the topic at or before `cursor`. `held` is the number of all. It reads
/// the messages before a cursor that is neither at the beginning nor at the end.
pub(super) fn count_to(
    step: CallContext<'_>,
    cursor: (i64, i64),
    newest: (i64, i64),
    held: i64,
) -> rusqlite::Result<i64> {
    if cursor >= newest {
        return Ok(held);
    }
    let select = "SELECT count(*) FROM messages WHERE topic_id = ?1 AND (ms, seq) <= (?2, ?3)";
    let mut select = step.connection.prepare_cached(select)?;
    select.query_row((step.topic_id, cursor.0, cursor.1), |row| row.get(0))
}

impl Call<'_> {
    /// Moves the position. Leases become stale and attempts start anew; dead letters stay.
    pub(crate) fn seek(
        &mut self,
        to: ConsumerPosition,
    ) -> rusqlite::Result<Result<(), ConsumerError>> {
        let cursor = match cursor(to, self.newest, timestamp(self.step.now)) {
            Ok(cursor) => cursor,
            Err(error) => return Ok(Err(error)),
        };
        let CallContext {
            connection,
            topic_id,
            now,
        } = self.step;
        let (ms, seq) = cursor;
        let consumer = &mut *self.consumer;
        // Before the deliveries go: a removed message that would be new again was missed.
        let missed = "SELECT count(*) FROM deliveries WHERE consumer_id = ?1 \
             AND fate = ?4 AND (ms, seq) > (?2, ?3)";
        consumer.missed += connection.prepare_cached(missed)?.query_row(
            (consumer.id, ms, seq, DeliveryFate::Missed.number()),
            |row| row.get::<_, i64>(0),
        )?;
        // What stays are copies after the position that nothing else can hand out.
        let delete = "DELETE FROM deliveries WHERE consumer_id = ?1 AND NOT (\
             (ms, seq) > (?2, ?3) AND fate = ?4 AND content IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM messages m WHERE m.topic_id = ?5 \
             AND m.ms = deliveries.ms AND m.seq = deliveries.seq))";
        let retry = DeliveryFate::Retry.number();
        connection.prepare_cached(delete)?.execute(params![
            consumer.id,
            ms,
            seq,
            retry,
            topic_id
        ])?;
        let restart = "UPDATE deliveries SET nonce = NULL, attempt = 1, due_ms = ?2, reason = NULL \
             WHERE consumer_id = ?1";
        let kept = connection
            .prepare_cached(restart)?
            .execute((consumer.id, now))?;
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        (consumer.leased, consumer.waiting, consumer.copies) = (0, kept, kept);
        consumer.cursor = cursor;
        consumer.behind = count_to(self.step, cursor, self.newest, self.held)?;
        Ok(Ok(()))
    }
}
