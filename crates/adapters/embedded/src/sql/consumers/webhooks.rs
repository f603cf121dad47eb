//! Webhooks: consumers with a row of `webhooks`, and their last attempts.

use posthorn_application::{
    ConsumerError, MAX_KEPT_ATTEMPTS, PutWebhook, RequeueRequest, Requeued, WebhookIncarnation,
    WebhookPut, WebhookStatus, WebhookTarget,
};
use posthorn_domain::{
    Attempt, ConsumerKey, DisableReason, FailureReason, MessageId, Timestamp, WebhookAttempt,
    WebhookHealth,
};
use rusqlite::{OptionalExtension, Row, params};

use super::call::{Call, with_consumer};
use super::entries::attempt;
use super::registry::put;
use super::row::{CallContext, millis, timestamp};
use super::webhook_row::{WebhookRow, reason, save_record};
use crate::sql::write_batch::WriteBatch;
use crate::sql::{columns, id, intact};

/// Creates the webhook `key`, or replaces its record.
pub(crate) fn put_webhook(
    batch: &mut WriteBatch<'_>,
    key: &ConsumerKey,
    webhook: &PutWebhook,
    now: Timestamp,
) -> rusqlite::Result<Result<WebhookPut, ConsumerError>> {
    let created = match put(batch, key, &webhook.consumer(), now)? {
        Ok(put) => put.created,
        Err(error) => return Ok(Err(error)),
    };
    let status = with_consumer(batch, key, now, |call| {
        save_record(call.step.connection, call.consumer, &webhook.record)?;
        call.webhook()
    })?;
    let status = status.and_then(|status| status.ok_or(ConsumerError::NotFound));
    Ok(status.map(|status| WebhookPut { created, status }))
}

impl Call<'_> {
    /// The webhook at a glance; `None` if the consumer is none.
    pub(crate) fn webhook(&self) -> rusqlite::Result<Option<WebhookStatus>> {
        let Some(row) = WebhookRow::find(self.step.connection, self.consumer)? else {
            return Ok(None);
        };
        Ok(Some(WebhookStatus {
            consumer: self.status()?,
            incarnation: self.incarnation(),
            record: row.record,
            health: row.health,
        }))
    }

    /// That of the webhook that the consumer is or may become.
    fn incarnation(&self) -> WebhookIncarnation {
        WebhookIncarnation(self.consumer.id.unsigned_abs())
    }

    /// Disables or enables the webhook; returns true if that changed it.
    pub(crate) fn set_disabled(
        &self,
        reason: Option<DisableReason>,
        of: Option<&WebhookTarget>,
    ) -> rusqlite::Result<Option<bool>> {
        let connection = self.step.connection;
        let Some(mut row) = WebhookRow::find(connection, self.consumer)? else {
            return Ok(None);
        };
        if of.is_some_and(|of| !of.is(self.incarnation(), &row.record.settings.url)) {
            return Ok(None);
        }
        let changed = row.health.set_disabled(reason);
        if changed {
            row.save_health(connection, self.consumer)?;
        }
        Ok(Some(changed))
    }

    /// Adds attempts to the health and to the last attempts.
    pub(crate) fn record_attempts(
        &self,
        of: WebhookIncarnation,
        attempts: &[WebhookAttempt],
    ) -> rusqlite::Result<Option<WebhookHealth>> {
        if of != self.incarnation() {
            return Ok(None);
        }
        let connection = self.step.connection;
        let Some(mut row) = WebhookRow::find(connection, self.consumer)? else {
            return Ok(None);
        };
        for attempt in attempts {
            row.health.record(attempt);
        }
        // The table is a ring: an attempt replaces the one that is too many. Attempts that a later
        // one of this call would replace are not written.
        let replace = "INSERT OR REPLACE INTO webhook_attempts \
             (consumer_id, slot, number, ms, seq, attempt, at_ms, status, took_ms, error) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut replace = connection.prepare_cached(replace)?;
        let slots = i64::try_from(MAX_KEPT_ATTEMPTS).unwrap_or(1);
        let skipped = attempts.len().saturating_sub(MAX_KEPT_ATTEMPTS);
        row.recorded += i64::try_from(skipped).unwrap_or_default();
        for attempt in attempts.iter().skip(skipped) {
            let (ms, seq) = columns(attempt.message_id);
            replace.execute(params![
                self.consumer.id,
                row.recorded % slots,
                row.recorded,
                ms,
                seq,
                attempt.attempt.get(),
                millis(attempt.at),
                attempt.status,
                attempt.milliseconds,
                attempt.error.as_ref().map(FailureReason::as_str),
            ])?;
            row.recorded += 1;
        }
        row.save_health(connection, self.consumer)?;
        Ok(Some(row.health))
    }

    /// The last attempts of the webhook, the newest first.
    pub(crate) fn attempts(&self) -> rusqlite::Result<Option<Vec<WebhookAttempt>>> {
        let connection = self.step.connection;
        if WebhookRow::find(connection, self.consumer)?.is_none() {
            return Ok(None);
        }
        let select = "SELECT ms, seq, attempt, at_ms, status, took_ms, error \
             FROM webhook_attempts WHERE consumer_id = ?1 ORDER BY number DESC";
        let mut select = connection.prepare_cached(select)?;
        // A damaged one hides only itself.
        let attempt = |row: &Row<'_>| intact(webhook_attempt(row));
        let rows = select.query_map([self.consumer.id], attempt)?;
        let attempts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Some(attempts.into_iter().flatten().collect()))
    }

    /// Makes settled messages wait again.
    pub(crate) fn requeue(&mut self, request: RequeueRequest) -> rusqlite::Result<Requeued> {
        let CallContext {
            connection,
            topic_id,
            now,
        } = self.step;
        let consumer = &mut *self.consumer;
        let (from, to) = (
            columns(request.from),
            columns(request.to).min(consumer.cursor),
        );
        // 1. The end of this call: the first message that it does not examine.
        let limit = i64::try_from(request.limit.get()).unwrap_or(i64::MAX);
        let next = "SELECT ms, seq FROM messages WHERE topic_id = ?1 AND (ms, seq) >= (?2, ?3) \
             AND (ms, seq) <= (?4, ?5) ORDER BY ms, seq LIMIT 1 OFFSET ?6";
        let next: Option<(i64, i64)> = connection
            .prepare_cached(next)?
            .query_row((topic_id, from.0, from.1, to.0, to.1, limit), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let end = next.unwrap_or_else(|| match to.1.checked_add(1) {
            Some(seq) => (to.0, seq),
            None => (to.0.saturating_add(1), 0),
        });
        // 2. Messages with a delivery or a dead letter are not settled. With one end the index bounds
        // the messages that are read.
        let insert = "INSERT INTO deliveries (consumer_id, ms, seq, attempt, due_ms) \
             SELECT ?1, m.ms, m.seq, ?2, ?3 FROM messages m WHERE m.topic_id = ?4 \
             AND (m.ms, m.seq) >= (?5, ?6) AND (m.ms, m.seq) < (?7, ?8) \
             AND NOT EXISTS (SELECT 1 FROM deliveries d \
             WHERE d.consumer_id = ?1 AND d.ms = m.ms AND d.seq = m.seq) \
             AND NOT EXISTS (SELECT 1 FROM dead_letters l \
             WHERE l.consumer_id = ?1 AND l.ms = m.ms AND l.seq = m.seq)";
        let queued = connection.prepare_cached(insert)?.execute(params![
            consumer.id,
            Attempt::FIRST.get(),
            now,
            topic_id,
            from.0,
            from.1,
            end.0,
            end.1,
        ])?;
        consumer.waiting += i64::try_from(queued).unwrap_or(i64::MAX);
        Ok(Requeued {
            queued: u64::try_from(queued).unwrap_or(u64::MAX),
            next: next.map(|from| RequeueRequest {
                from: id(from),
                to: id(to),
                ..request
            }),
        })
    }
}

fn webhook_attempt(row: &Row<'_>) -> rusqlite::Result<WebhookAttempt> {
    let message_id: MessageId = id((row.get(0)?, row.get(1)?));
    Ok(WebhookAttempt {
        message_id,
        attempt: attempt(row, 2)?,
        at: timestamp(row.get(3)?),
        status: row.get(4)?,
        milliseconds: row.get(5)?,
        error: reason(row, 6)?,
    })
}
