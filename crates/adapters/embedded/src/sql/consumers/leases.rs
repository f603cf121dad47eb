//! Handing out messages under leases, and ending the leases.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    ByteBudget, LeaseUpdate, LeasedMessage, LeasesUpdated, PullRequest, PulledLeases,
};
use posthorn_domain::{
    Attempt, ConsumerKind, FailureReason, LeaseNonce, LeaseToken, Message, MessageId,
};
use rusqlite::{Row, params};

use super::call::Call;
use super::entries::{
    DeliveryFate, LeaseRow, acknowledge, attempt_or_first, first_expired, leased_by, leased_under,
    next_change, nonce_column,
};
use super::row::{CallContext, ConsumerRow, timestamp};
use super::webhook_row::is_disabled;
use crate::sql::{id, intact, readable};

/// The end of a lease without an acknowledgement.
struct LeaseFailure<'a> {
    /// Milliseconds since the Unix epoch.
    at: i64,
    /// How long the message waits; as the backoff says when `None`.
    delay: Option<Duration>,
    reason: Option<&'a str>,
}

/// The messages that a pull has leased so far.
#[derive(Default)]
struct LeasedBatch {
    messages: Vec<LeasedMessage>,
    unreadable: Vec<MessageId>,
    budget: ByteBudget,
    /// True if the bytes of the next message did not fit.
    is_full: bool,
}

/// A message that may be handed out, and its attempt. The message is `None` if its record cannot
/// be read.
type Candidate = ((i64, i64), Attempt, Option<Arc<Message>>);

impl ConsumerRow {
    /// Ends the leases whose time is over, each at the end of the lease.
    pub(super) fn expire(&mut self, step: CallContext<'_>) -> rusqlite::Result<()> {
        // The counter spares the look where nothing is leased.
        while self.leased > 0
            && let Some(lease) = first_expired(step.connection, self.id, step.now)?
        {
            let failure = LeaseFailure {
                at: lease.ends,
                delay: None,
                reason: Some(FailureReason::LEASE_EXPIRED),
            };
            self.fail(step, lease, &failure)?;
        }
        Ok(())
    }

    /// Ends a lease that was not acknowledged: its message waits, dies, or was removed meanwhile.
    fn fail(
        &mut self,
        step: CallContext<'_>,
        lease: LeaseRow,
        failure: &LeaseFailure<'_>,
    ) -> rusqlite::Result<()> {
        match lease.fate {
            DeliveryFate::Missed => {
                self.missed += 1;
                self.drop_leased(step.connection, lease)
            }
            DeliveryFate::Settled => self.drop_leased(step.connection, lease),
            DeliveryFate::Retry if lease.attempt >= self.settings.max_attempts => {
                self.bury(step, lease, failure.at, failure.reason)
            }
            DeliveryFate::Retry => {
                let backoff = || self.settings.backoff.delay_after(lease.attempt);
                let delay = failure.delay.unwrap_or_else(backoff);
                let next = (lease.attempt.next(), later(failure.at, delay));
                self.make_wait(step.connection, lease, next, failure.reason)
            }
        }
    }
}

impl Call<'_> {
    /// Leases what is due, and then new messages.
    pub(crate) fn pull(&mut self, request: PullRequest) -> rusqlite::Result<PulledLeases> {
        let now = self.step.now;
        self.consumer.last_pull_ms = Some(now);
        let is_webhook = self.key.kind == ConsumerKind::Webhook;
        if is_webhook && is_disabled(self.step.connection, self.consumer)? {
            return Ok(PulledLeases::default());
        }
        let lease = request.lease.unwrap_or(self.consumer.settings.lease);
        let ends = later(now, lease.get());
        let capacity = i64::from(self.consumer.settings.max_in_flight.get()) - self.consumer.leased;
        let capacity = usize::try_from(capacity).unwrap_or(0);
        let limit = request.limit.get().min(capacity);
        let mut batch = LeasedBatch::default();

        // Redeliveries come first: who waits longest must not starve behind new messages.
        while batch.has_room(limit) {
            let due = self.due(limit - batch.messages.len())?;
            if due.is_empty() {
                break;
            }
            self.lease_due(due, (request.nonce, ends), &mut batch)?;
        }
        // New messages move the cursor; one that cannot be read is passed over, so there may be
        // more than one round.
        while batch.has_room(limit) {
            let new = self.new_messages(limit - batch.messages.len())?;
            if new.is_empty() {
                break;
            }
            self.lease_new(new, (request.nonce, ends), &mut batch)?;
        }

        let LeasedBatch {
            messages,
            unreadable,
            ..
        } = batch;
        let is_new_left = self.consumer.behind < self.held;
        let more = messages.len() < capacity && (is_new_left || !self.due(1)?.is_empty());
        let next = self.next_change()?;
        let until = |time: i64| Duration::from_millis(time.abs_diff(now));
        Ok(PulledLeases {
            messages,
            unreadable,
            more,
            next_due: next.map(until),
        })
    }

    /// Acknowledges, rejects or extends leases.
    pub(crate) fn update_leases(
        &mut self,
        tokens: &[LeaseToken],
        update: &LeaseUpdate,
    ) -> rusqlite::Result<LeasesUpdated> {
        let CallContext {
            connection, now, ..
        } = self.step;
        let ends = match update {
            LeaseUpdate::Extend(lease) => Some(later(
                now,
                lease.unwrap_or(self.consumer.settings.lease).get(),
            )),
            LeaseUpdate::Ack | LeaseUpdate::Nack { .. } | LeaseUpdate::Release => None,
        };
        let mut valid = Vec::with_capacity(tokens.len());
        for token in tokens {
            if *update == LeaseUpdate::Ack {
                valid.push(self.acknowledge(token)?);
                continue;
            }
            let lease = leased_by(connection, self.consumer.id, token)?;
            valid.push(lease.is_some());
            let Some(lease) = lease else { continue };
            match (update, ends) {
                (LeaseUpdate::Nack { delay, reason }, _) => {
                    let failure = LeaseFailure {
                        at: now,
                        delay: *delay,
                        reason: reason.as_ref().map(FailureReason::as_str),
                    };
                    self.consumer.fail(self.step, lease, &failure)?;
                }
                (LeaseUpdate::Extend(_), Some(ends)) => {
                    let update = "UPDATE deliveries SET due_ms = ?4 \
                         WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
                    let (ms, seq) = lease.key;
                    let values = (self.consumer.id, ms, seq, ends);
                    connection.prepare_cached(update)?.execute(values)?;
                }
                (LeaseUpdate::Release, _) => self.release(lease)?,
                // Settled above; and an extension has an end.
                (LeaseUpdate::Ack | LeaseUpdate::Extend(_), _) => {}
            }
        }
        Ok(LeasesUpdated {
            valid,
            expires_at: ends.map(timestamp),
        })
    }

    /// Settles the message of a lease in one statement; false if the lease is not valid.
    fn acknowledge(&mut self, token: &LeaseToken) -> rusqlite::Result<bool> {
        let settled = acknowledge(self.step.connection, self.consumer.id, token)?;
        if let Some(has_copy) = settled {
            self.consumer.leased -= 1;
            self.consumer.copies -= i64::from(has_copy);
        }
        Ok(settled.is_some())
    }

    /// Ends the leases of one pull as if they had not been granted.
    pub(crate) fn give_back(&mut self, nonce: LeaseNonce) -> rusqlite::Result<()> {
        for lease in leased_under(self.step.connection, self.consumer.id, nonce)? {
            self.release(lease)?;
        }
        Ok(())
    }

    /// Ends a lease as if it had not been granted.
    fn release(&mut self, lease: LeaseRow) -> rusqlite::Result<()> {
        let CallContext {
            connection, now, ..
        } = self.step;
        if lease.fate == DeliveryFate::Retry {
            // The attempt did not happen: the next one has its number, and the reason stays.
            let reason = self.reason(lease.key)?;
            let next = (lease.attempt, now);
            let reason = reason.as_deref();
            return self.consumer.make_wait(connection, lease, next, reason);
        }
        self.consumer.missed += i64::from(lease.fate == DeliveryFate::Missed);
        self.consumer.drop_leased(connection, lease)
    }

    /// The first time after now at which a delivery is due or a lease ends.
    pub(crate) fn next_change(&self) -> rusqlite::Result<Option<i64>> {
        next_change(self.step.connection, self.consumer, self.step.now)
    }

    /// Whether a pull could lease no new message, whatever the topic holds.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.consumer.leased >= i64::from(self.consumer.settings.max_in_flight.get())
    }

    /// The reason of the last failed attempt of a delivery.
    fn reason(&self, (ms, seq): (i64, i64)) -> rusqlite::Result<Option<String>> {
        let select =
            "SELECT reason FROM deliveries WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let mut select = self.step.connection.prepare_cached(select)?;
        let reason = select.query_row((self.consumer.id, ms, seq), |row| intact(row.get(0)))?;
        Ok(reason.flatten())
    }

    /// The deliveries that are due, by due time and then by id.
    fn due(&self, limit: usize) -> rusqlite::Result<Vec<Candidate>> {
        // The counter spares the look where nothing waits.
        if self.consumer.waiting == 0 {
            return Ok(Vec::new());
        }
        // A copy is whole: attributes of the message must not be mixed into it.
        let select = "SELECT d.ms, d.seq, coalesce(d.content, m.content), \
             CASE WHEN d.content IS NULL THEN m.attributes ELSE d.attributes END, \
             coalesce(d.stored_ms, m.stored_ms), \
             CASE WHEN d.content IS NULL THEN m.checksum ELSE d.checksum END, \
             CASE WHEN d.content IS NULL THEN m.traceparent ELSE d.traceparent END, d.attempt \
             FROM deliveries d LEFT JOIN messages m \
             ON m.topic_id = ?4 AND m.ms = d.ms AND m.seq = d.seq \
             WHERE d.consumer_id = ?1 AND d.nonce IS NULL AND d.due_ms <= ?2 \
             ORDER BY d.due_ms, d.ms, d.seq LIMIT ?3";
        let CallContext {
            connection,
            topic_id,
            now,
        } = self.step;
        let topic = &self.key.topic;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = connection.prepare_cached(select)?;
        let rows = select.query_map((self.consumer.id, now, limit, topic_id), |row| {
            Ok((key(row)?, attempt_or_first(row, 7)?, readable(topic, row)?))
        })?;
        rows.collect()
    }

    /// The first messages after the cursor.
    fn new_messages(&self, limit: usize) -> rusqlite::Result<Vec<Candidate>> {
        let select = "SELECT ms, seq, content, attributes, stored_ms, checksum, traceparent FROM messages \
             WHERE topic_id = ?1 AND (ms, seq) > (?2, ?3) ORDER BY ms, seq LIMIT ?4";
        let topic = &self.key.topic;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (ms, seq) = self.consumer.cursor;
        let mut select = self.step.connection.prepare_cached(select)?;
        let rows = select.query_map((self.step.topic_id, ms, seq, limit), |row| {
            Ok((key(row)?, Attempt::FIRST, readable(topic, row)?))
        })?;
        rows.collect()
    }

    fn lease_due(
        &mut self,
        due: Vec<Candidate>,
        (nonce, ends): (LeaseNonce, i64),
        batch: &mut LeasedBatch,
    ) -> rusqlite::Result<()> {
        let consumer = &mut *self.consumer;
        let lease = "UPDATE deliveries SET nonce = ?4, due_ms = ?5, attempt = ?6 \
             WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let mut lease = self.step.connection.prepare_cached(lease)?;
        for ((ms, seq), attempt, message) in due {
            let Some(message) = message else {
                consumer.drop_unreadable(self.step, (ms, seq))?;
                batch.unreadable.push(id((ms, seq)));
                continue;
            };
            if !batch.admits(&message) {
                break;
            }
            let nonce = nonce_column(nonce);
            lease.execute(params![consumer.id, ms, seq, nonce, ends, attempt.get()])?;
            consumer.waiting -= 1;
            consumer.leased += 1;
            batch.messages.push(leased(message, attempt, ends));
        }
        Ok(())
    }

    fn lease_new(
        &mut self,
        new: Vec<Candidate>,
        (nonce, ends): (LeaseNonce, i64),
        batch: &mut LeasedBatch,
    ) -> rusqlite::Result<()> {
        let consumer = &mut *self.consumer;
        let insert = "INSERT INTO deliveries (consumer_id, ms, seq, nonce, attempt, due_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let mut insert = self.step.connection.prepare_cached(insert)?;
        for ((ms, seq), attempt, message) in new {
            if message
                .as_ref()
                .is_some_and(|message| !batch.admits(message))
            {
                break;
            }
            consumer.cursor = (ms, seq);
            consumer.behind += 1;
            let Some(message) = message else {
                consumer.missed += 1;
                batch.unreadable.push(id((ms, seq)));
                continue;
            };
            let nonce = nonce_column(nonce);
            insert.execute(params![consumer.id, ms, seq, nonce, attempt.get(), ends])?;
            consumer.leased += 1;
            batch.messages.push(leased(message, attempt, ends));
        }
        Ok(())
    }
}

impl LeasedBatch {
    /// True if a further message may be leased.
    fn has_room(&self, limit: usize) -> bool {
        !self.is_full && self.messages.len() < limit
    }

    /// True if the bytes of `message` fit.
    fn admits(&mut self, message: &Message) -> bool {
        self.is_full = !self.budget.admits(message);
        !self.is_full
    }
}

fn leased(message: Arc<Message>, attempt: Attempt, ends: i64) -> LeasedMessage {
    LeasedMessage {
        message,
        attempt,
        expires_at: timestamp(ends),
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<(i64, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// `delay` after `at`, in milliseconds since the Unix epoch.
fn later(at: i64, delay: Duration) -> i64 {
    at.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}
