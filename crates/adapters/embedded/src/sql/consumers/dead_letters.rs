//! Dead letters: giving a message up, and bringing it back.

use posthorn_application::{
    ByteBudget, DeadLetter, DeadLetterPage, DeadLetterRequest, MAX_DEAD_LETTERS, Redriven,
};
use posthorn_domain::{FailureReason, MessageId};
use rusqlite::{Row, params};

use super::call::Call;
use super::entries::{LeaseRow, attempt};
use super::row::{CallContext, ConsumerRow, bad, count, timestamp};
use crate::sql::{columns, id, intact, readable};

impl ConsumerRow {
    /// Makes a dead letter of a leased message, and removes the first ones above the limit.
    pub(super) fn bury(
        &mut self,
        step: CallContext<'_>,
        lease: LeaseRow,
        died: i64,
        reason: Option<&str>,
    ) -> rusqlite::Result<()> {
        let (ms, seq) = lease.key;
        // A message that died before, came back and dies again replaces its dead letter.
        self.dead -= remove_letter(step, self.id, lease.key)?;
        // The copy is of the redriven copy where there is one: the topic may not hold the message.
        let insert = "INSERT INTO dead_letters \
             SELECT d.consumer_id, d.ms, d.seq, coalesce(d.content, m.content), \
             CASE WHEN d.content IS NULL THEN m.attributes ELSE d.attributes END, ?5, ?6, ?7, \
             coalesce(d.stored_ms, m.stored_ms), \
             CASE WHEN d.content IS NULL THEN m.checksum ELSE d.checksum END, \
             CASE WHEN d.content IS NULL THEN m.traceparent ELSE d.traceparent END \
             FROM deliveries d LEFT JOIN messages m \
             ON m.topic_id = ?4 AND m.ms = d.ms AND m.seq = d.seq \
             WHERE d.consumer_id = ?1 AND d.ms = ?2 AND d.seq = ?3 \
             AND coalesce(d.content, m.content) IS NOT NULL";
        let attempts = lease.attempt.get();
        let values = params![self.id, ms, seq, step.topic_id, attempts, reason, died];
        let buried = step.connection.prepare_cached(insert)?.execute(values)?;
        if buried == 0 {
            self.missed += 1;
        } else {
            self.dead += 1;
        }
        self.drop_leased(step.connection, lease)?;
        self.drop_first_letters(step)
    }

    /// Removes a waiting delivery whose message cannot be read; it counts as missed.
    pub(super) fn drop_unreadable(
        &mut self,
        step: CallContext<'_>,
        (ms, seq): (i64, i64),
    ) -> rusqlite::Result<()> {
        let delete = "DELETE FROM deliveries WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3 \
             RETURNING content IS NOT NULL";
        let mut delete = step.connection.prepare_cached(delete)?;
        let has_copy: bool = delete.query_row((self.id, ms, seq), |row| row.get(0))?;
        self.copies -= i64::from(has_copy);
        self.waiting -= 1;
        self.missed += 1;
        Ok(())
    }

    fn drop_first_letters(&mut self, step: CallContext<'_>) -> rusqlite::Result<()> {
        let most = i64::try_from(MAX_DEAD_LETTERS).unwrap_or(i64::MAX);
        let excess = (self.dead + self.copies - most).min(self.dead);
        if excess <= 0 {
            return Ok(());
        }
        let delete = "DELETE FROM dead_letters WHERE consumer_id = ?1 AND (ms, seq) IN \
             (SELECT ms, seq FROM dead_letters WHERE consumer_id = ?1 ORDER BY ms, seq LIMIT ?2)";
        step.connection
            .prepare_cached(delete)?
            .execute((self.id, excess))?;
        self.dead -= excess;
        self.dead_dropped += excess;
        Ok(())
    }
}

impl Call<'_> {
    /// A run of dead letters in the order of ids.
    pub(crate) fn dead_letters(
        &self,
        request: DeadLetterRequest,
    ) -> rusqlite::Result<DeadLetterPage> {
        let select = "SELECT ms, seq, content, attributes, stored_ms, checksum, traceparent, attempts, reason, died_ms \
             FROM dead_letters WHERE consumer_id = ?1 AND (ms, seq) > (?2, ?3) \
             ORDER BY ms, seq LIMIT ?4";
        let (ms, seq) = request.after.map_or((-1, -1), columns);
        let limit = request.limit.get();
        let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let letter = |row: &Row<'_>| {
            let reason: Option<String> = row.get(8)?;
            let reason = reason.as_deref().map(FailureReason::parse).transpose();
            let Some(message) = readable(&self.key.topic, row)? else {
                return Ok(None);
            };
            Ok(Some(DeadLetter {
                message,
                attempts: attempt(row, 7)?,
                reason: reason.map_err(|error| bad(8, error))?,
                died_at: timestamp(row.get(9)?),
            }))
        };
        let mut select = self.step.connection.prepare_cached(select)?;
        let mut rows = select.query((self.consumer.id, ms, seq, rows))?;
        let (mut page, mut budget) = (DeadLetterPage::default(), ByteBudget::default());
        while let Some(row) = rows.next()? {
            let letter = intact(letter(row))?.flatten();
            let fits = |letter: &DeadLetter| budget.admits(&letter.message);
            page.has_more = page.len() == limit || !letter.as_ref().is_none_or(fits);
            if page.has_more {
                break;
            }
            match letter {
                Some(letter) => page.letters.push(letter),
                None => page.unreadable.push(id((row.get(0)?, row.get(1)?))),
            }
        }
        Ok(page)
    }

    /// Makes dead letters wait again, due now.
    pub(crate) fn redrive(&mut self, ids: &[MessageId]) -> rusqlite::Result<Redriven> {
        let mut outcome = Redriven::default();
        for &id in ids {
            if self.redrive_letter(id)? {
                outcome.redriven += 1;
            } else {
                outcome.unknown.push(id);
            }
        }
        outcome.remaining = count(self.consumer.dead);
        Ok(outcome)
    }

    /// Removes a dead letter for good; returns whether it was there.
    pub(crate) fn delete_dead_letter(&mut self, id: MessageId) -> rusqlite::Result<bool> {
        let removed = remove_letter(self.step, self.consumer.id, columns(id))?;
        self.consumer.dead -= removed;
        Ok(removed > 0)
    }

    /// Makes one dead letter wait again; returns whether it was there.
    fn redrive_letter(&mut self, id: MessageId) -> rusqlite::Result<bool> {
        let CallContext {
            connection,
            topic_id,
            now,
        } = self.step;
        let (ms, seq) = columns(id);
        let is_after = (ms, seq) > self.consumer.cursor;
        // A message that is new again, or has a delivery, is handed out without the copy.
        let insert = "INSERT INTO deliveries \
             (consumer_id, ms, seq, attempt, due_ms, content, attributes, stored_ms, checksum, \
             traceparent) \
             SELECT consumer_id, ms, seq, 1, ?4, content, attributes, stored_ms, checksum, traceparent \
             FROM dead_letters l \
             WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3 \
             AND NOT (?6 AND EXISTS (SELECT 1 FROM messages m \
                 WHERE m.topic_id = ?5 AND m.ms = l.ms AND m.seq = l.seq)) \
             AND NOT EXISTS (SELECT 1 FROM deliveries d \
                 WHERE d.consumer_id = l.consumer_id AND d.ms = l.ms AND d.seq = l.seq)";
        let values = params![self.consumer.id, ms, seq, now, topic_id, is_after];
        let added = connection.prepare_cached(insert)?.execute(values)?;
        let added = i64::try_from(added).unwrap_or(0);
        self.consumer.waiting += added;
        self.consumer.copies += added;
        let removed = remove_letter(self.step, self.consumer.id, (ms, seq))?;
        self.consumer.dead -= removed;
        Ok(removed > 0)
    }
}

/// Removes a dead letter; returns 1 if it was there, else 0.
fn remove_letter(
    step: CallContext<'_>,
    consumer: i64,
    (ms, seq): (i64, i64),
) -> rusqlite::Result<i64> {
    let delete = "DELETE FROM dead_letters WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
    let mut delete = step.connection.prepare_cached(delete)?;
    let removed = delete.execute((consumer, ms, seq))?;
    Ok(i64::try_from(removed).unwrap_or(0))
}
