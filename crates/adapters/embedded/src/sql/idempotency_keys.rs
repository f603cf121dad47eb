//! The first receipts of idempotency keys.

use std::sync::Arc;

use posthorn_application::Idempotency;
use posthorn_domain::{Receipt, Timestamp, Topic};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, params};

use super::{TopicId, columns, id, is_exhausted, millis, processed_at, stored_column};

/// The fingerprint and the receipt of the first append with a key, unless the key expired before
/// `now`.
pub(crate) fn find(
    connection: &Connection,
    topic_id: TopicId,
    topic: &Topic,
    idempotency: &Idempotency,
    now: Timestamp,
) -> rusqlite::Result<Option<(Vec<u8>, Receipt)>> {
    let select = "SELECT fingerprint, ms, seq, durability, pod, stored_ms FROM idempotency_keys \
                  WHERE topic_id = ?1 AND key = ?2 AND expires_ms > ?3";
    let key = idempotency.key.as_str();
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_row((topic_id, key, millis(now)), |row| {
        let durability = row
            .get_ref(3)?
            .as_str()?
            .parse()
            .map_err(|error| Error::FromSqlConversionFailure(3, Type::Text, Box::new(error)))?;
        let id = id((row.get(1)?, row.get(2)?));
        let receipt = Receipt {
            id,
            topic: topic.clone(),
            durability,
            instance: Arc::from(row.get_ref(4)?.as_str()?),
            processed_at: processed_at(id, row.get(5)?),
        };
        Ok((row.get(0)?, receipt))
    });
    found.optional()
}

/// Stores the first receipt of a key, or replaces that of an expired key.
pub(crate) fn insert(
    connection: &Connection,
    topic_id: TopicId,
    idempotency: &Idempotency,
    receipt: &Receipt,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let insert =
        "INSERT OR REPLACE INTO idempotency_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let (ms, seq) = columns(receipt.id);
    let values = params![
        topic_id,
        idempotency.key.as_str(),
        idempotency.fingerprint.as_bytes().as_slice(),
        ms,
        seq,
        receipt.durability.as_str(),
        &*receipt.instance,
        millis(now.saturating_add(idempotency.ttl)),
        stored_column(receipt.id, receipt.processed_at),
    ];
    connection.prepare_cached(insert)?.execute(values).map(drop)
}

/// Limits the expiry of at most `budget` keys to `end`: they were stored while the clock was ahead.
/// Returns true if it limited as many.
pub(crate) fn limit_expiry(
    connection: &Connection,
    end: Timestamp,
    budget: i64,
) -> rusqlite::Result<bool> {
    let update = "UPDATE idempotency_keys SET expires_ms = ?1 WHERE (topic_id, key) IN ( \
                  SELECT topic_id, key FROM idempotency_keys WHERE expires_ms > ?1 LIMIT ?2)";
    let limited = connection
        .prepare_cached(update)?
        .execute((millis(end), budget))?;
    Ok(is_exhausted(limited, budget))
}

/// Deletes at most `budget` expired keys; returns true if it deleted as many.
pub(crate) fn delete_expired(
    connection: &Connection,
    now: Timestamp,
    budget: i64,
) -> rusqlite::Result<bool> {
    let delete = "DELETE FROM idempotency_keys WHERE (topic_id, key) IN ( \
                  SELECT topic_id, key FROM idempotency_keys WHERE expires_ms <= ?1 LIMIT ?2)";
    let deleted = connection
        .prepare_cached(delete)?
        .execute((millis(now), budget))?;
    Ok(is_exhausted(deleted, budget))
}
