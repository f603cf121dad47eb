//! The rows of `deliveries`: messages that were handed out, or redriven, and are not settled.

use posthorn_domain::{Attempt, LeaseNonce, LeaseToken};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{ConsumerId, ConsumerRow, bad, count};
use crate::sql::{columns, intact};

/// A delivery under a lease.
#[derive(Clone, Copy)]
pub(super) struct LeaseRow {
    pub(super) key: (i64, i64),
    pub(super) attempt: Attempt,
    /// The end of the lease in milliseconds since the Unix epoch.
    pub(super) ends: i64,
    pub(super) fate: DeliveryFate,
    /// Whether the delivery has a copy of its message.
    pub(super) has_copy: bool,
}

/// The future of a leased message that is not acknowledged. The numbers are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryFate {
    /// It waits or dies.
    Retry,
    /// It is missed: retention removed it.
    Missed,
    /// It is settled: a client deleted it.
    Settled,
}

/// The columns that [`LeaseRow::from_row`] reads.
const LEASE: &str = "ms, seq, attempt, due_ms, fate, content IS NOT NULL";

impl LeaseRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: (row.get(0)?, row.get(1)?),
            attempt: attempt_or_first(row, 2)?,
            ends: row.get(3)?,
            fate: DeliveryFate::from_number(row.get(4)?),
            has_copy: row.get(5)?,
        })
    }
}

impl DeliveryFate {
    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Retry => 0,
            Self::Missed => 1,
            Self::Settled => 2,
        }
    }

    const fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Missed,
            2 => Self::Settled,
            _ => Self::Retry,
        }
    }
}

/// The attempt in a column.
pub(super) fn attempt(row: &Row<'_>, column: usize) -> rusqlite::Result<Attempt> {
    Attempt::new(count(row.get(column)?)).map_err(|error| bad(column, error))
}

/// The attempt in a column of a delivery. A damaged one is the first: the message must not keep others back, and is
/// not lost.
pub(super) fn attempt_or_first(row: &Row<'_>, column: usize) -> rusqlite::Result<Attempt> {
    Ok(intact(attempt(row, column))?.unwrap_or(Attempt::FIRST))
}

/// The lease that ended first, at `now` or before.
pub(super) fn first_expired(
    connection: &Connection,
    consumer: ConsumerId,
    now: i64,
) -> rusqlite::Result<Option<LeaseRow>> {
    let select = format!(
        "SELECT {LEASE} FROM deliveries WHERE consumer_id = ?1 AND nonce IS NOT NULL \
         AND due_ms <= ?2 ORDER BY due_ms, ms, seq LIMIT 1"
    );
    let mut select = connection.prepare_cached(&select)?;
    select
        .query_row((consumer, now), LeaseRow::from_row)
        .optional()
}

/// The lease of `token`, if it is valid.
pub(super) fn leased_by(
    connection: &Connection,
    consumer: ConsumerId,
    token: &LeaseToken,
) -> rusqlite::Result<Option<LeaseRow>> {
    let select = format!(
        "SELECT {LEASE} FROM deliveries WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3 \
         AND attempt = ?4 AND nonce = ?5"
    );
    let (ms, seq) = columns(token.id);
    let mut select = connection.prepare_cached(&select)?;
    let values = (
        consumer,
        ms,
        seq,
        token.attempt.get(),
        nonce_column(token.nonce),
    );
    select.query_row(values, LeaseRow::from_row).optional()
}

/// Removes the delivery under the lease of `token`, if that is valid. Returns whether the delivery had a
/// copy of its message.
pub(super) fn acknowledge(
    connection: &Connection,
    consumer: ConsumerId,
    token: &LeaseToken,
) -> rusqlite::Result<Option<bool>> {
    let delete = "DELETE FROM deliveries WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3 \
         AND attempt = ?4 AND nonce = ?5 RETURNING content IS NOT NULL";
    let (ms, seq) = columns(token.id);
    let nonce = nonce_column(token.nonce);
    let values = (consumer, ms, seq, token.attempt.get(), nonce);
    let mut delete = connection.prepare_cached(delete)?;
    delete.query_row(values, |row| row.get(0)).optional()
}

/// The leases that were granted under `nonce`. It reads all leases of the consumer.
pub(super) fn leased_under(
    connection: &Connection,
    consumer: ConsumerId,
    nonce: LeaseNonce,
) -> rusqlite::Result<Vec<LeaseRow>> {
    let select = format!("SELECT {LEASE} FROM deliveries WHERE consumer_id = ?1 AND nonce = ?2");
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map((consumer, nonce_column(nonce)), LeaseRow::from_row)?;
    rows.collect()
}

/// The first time after `now` at which a delivery is due or a lease ends.
pub(super) fn next_change(
    connection: &Connection,
    consumer: &ConsumerRow,
    now: i64,
) -> rusqlite::Result<Option<i64>> {
    let mut first = None;
    // One look for each of the two partial indexes, unless the counter says that it is empty.
    for (count, select) in [
        (
            consumer.waiting,
            "SELECT due_ms FROM deliveries WHERE consumer_id = ?1 AND nonce IS NULL AND due_ms > ?2 \
             ORDER BY due_ms LIMIT 1",
        ),
        (
            consumer.leased,
            "SELECT due_ms FROM deliveries WHERE consumer_id = ?1 AND nonce IS NOT NULL \
             AND due_ms > ?2 ORDER BY due_ms LIMIT 1",
        ),
    ] {
        if count == 0 {
            continue;
        }
        let mut select = connection.prepare_cached(select)?;
        let time: Option<i64> = select
            .query_row((consumer.id, now), |row| row.get(0))
            .optional()?;
        first = first.into_iter().chain(time).min();
    }
    Ok(first)
}

/// The column of a nonce: its bits as SQLite's signed integer.
pub(super) const fn nonce_column(nonce: LeaseNonce) -> i64 {
    nonce.to_bits().cast_signed()
}

impl ConsumerRow {
    /// Removes a delivery that had a lease.
    pub(super) fn drop_leased(
        &mut self,
        connection: &Connection,
        lease: LeaseRow,
    ) -> rusqlite::Result<()> {
        let delete = "DELETE FROM deliveries WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let (ms, seq) = lease.key;
        connection
            .prepare_cached(delete)?
            .execute((self.id, ms, seq))?;
        self.leased -= 1;
        self.copies -= i64::from(lease.has_copy);
        Ok(())
    }

    /// Ends a lease; its delivery waits until `due` for the attempt `next`.
    pub(super) fn make_wait(
        &mut self,
        connection: &Connection,
        lease: LeaseRow,
        (next, due): (Attempt, i64),
        reason: Option<&str>,
    ) -> rusqlite::Result<()> {
        let update = "UPDATE deliveries SET nonce = NULL, attempt = ?4, due_ms = ?5, reason = ?6 \
             WHERE consumer_id = ?1 AND ms = ?2 AND seq = ?3";
        let (ms, seq) = lease.key;
        let values = params![self.id, ms, seq, next.get(), due, reason];
        connection.prepare_cached(update)?.execute(values)?;
        self.leased -= 1;
        self.waiting += 1;
        Ok(())
    }
}
