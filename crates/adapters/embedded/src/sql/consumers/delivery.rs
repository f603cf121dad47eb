//! What became of one message at the consumers of its topic.

use posthorn_application::{ConsumerDelivery, DeliveryState};
use posthorn_domain::{Attempt, FailureReason, MessageId};
use rusqlite::{OptionalExtension, Row};

use super::call::Call;
use super::entries::{attempt, attempt_or_first};
use super::row::timestamp;
use crate::sql::{columns, intact};

impl Call<'_> {
    /// The state of the message `id` at this consumer; `None` if neither the topic nor this consumer has it.
    pub(crate) fn consumer_delivery(
        &self,
        id: MessageId,
    ) -> rusqlite::Result<Option<ConsumerDelivery>> {
        let state = self.delivery(columns(id))?;
        let consumer = self.key.name.clone();
        Ok(state.map(|state| ConsumerDelivery { consumer, state }))
    }

    /// The state of one message; `None` if neither the topic nor this consumer has it.
    fn delivery(&self, key: (i64, i64)) -> rusqlite::Result<Option<DeliveryState>> {
        if let Some(state) = self.entry(key)? {
            return Ok(Some(state));
        }
        let is_held = self.is_held(key)?;
        if is_held && key > self.consumer.cursor {
            return Ok(Some(DeliveryState::Waiting {
                attempt: Attempt::FIRST,
                due_at: None,
                reason: None,
            }));
        }
        let letter = self.letter(key)?;
        Ok(letter.or(is_held.then_some(DeliveryState::Settled)))
    }

    fn entry(&self, (ms, seq): (i64, i64)) -> rusqlite::Result<Option<DeliveryState>> {
        let select = "SELECT attempt, due_ms, reason, nonce IS NOT NULL FROM deliveries \
             WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let mut select = self.step.connection.prepare_cached(select)?;
        let state = |row: &Row<'_>| {
            let (attempt, time) = (attempt_or_first(row, 0)?, timestamp(row.get(1)?));
            Ok(if row.get(3)? {
                DeliveryState::InFlight {
                    attempt,
                    expires_at: time,
                }
            } else {
                DeliveryState::Waiting {
                    attempt,
                    due_at: Some(time),
                    reason: reason(row, 2)?,
                }
            })
        };
        let values = (self.consumer.id, ms, seq);
        select.query_row(values, state).optional()
    }

    fn is_held(&self, (ms, seq): (i64, i64)) -> rusqlite::Result<bool> {
        let select = "SELECT 1 FROM messages WHERE topic_id = ?1 AND ms = ?2 AND seq = ?3";
        let mut select = self.step.connection.prepare_cached(select)?;
        select.exists((self.step.topic_id, ms, seq))
    }

    fn letter(&self, (ms, seq): (i64, i64)) -> rusqlite::Result<Option<DeliveryState>> {
        let select = "SELECT attempts, died_ms, reason FROM dead_letters \
             WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let mut select = self.step.connection.prepare_cached(select)?;
        let state = |row: &Row<'_>| {
            Ok(DeliveryState::Dead {
                attempts: attempt(row, 0)?,
                died_at: timestamp(row.get(1)?),
                reason: reason(row, 2)?,
            })
        };
        let values = (self.consumer.id, ms, seq);
        select.query_row(values, state).optional()
    }
}

/// The reason in a column.
fn reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<FailureReason>> {
    let text: Option<Option<String>> = intact(row.get(column))?;
    let reason = text.flatten().map(|text| FailureReason::parse(&text));
    // The reason of a failure is of less use than the rest: a damaged one is none.
    Ok(reason.and_then(Result::ok))
}
