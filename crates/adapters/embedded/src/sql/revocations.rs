//! The ids of revoked tokens.

use posthorn_domain::{Timestamp, TokenId};
use rusqlite::{Connection, OptionalExtension};

use super::{is_exhausted, millis};

/// Revokes `id` until `until`, or for as long as it is revoked already.
pub(crate) fn insert(
    connection: &Connection,
    id: &TokenId,
    until: Timestamp,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO denied_tokens (jti, until_ms) VALUES (?1, ?2) \
                  ON CONFLICT (jti) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)";
    let row = (id.as_str(), millis(until));
    connection.prepare_cached(insert)?.execute(row).map(drop)
}

/// True if `id` is revoked and has not expired by `now`.
pub(crate) fn is_revoked(
    connection: &Connection,
    id: &TokenId,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM denied_tokens WHERE jti = ?1 AND until_ms > ?2";
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_row((id.as_str(), millis(now)), |_| Ok(()));
    found.optional().map(|found| found.is_some())
}

/// Deletes at most `budget` expired ids; returns true if it deleted as many.
pub(crate) fn delete_expired(
    connection: &Connection,
    now: Timestamp,
    budget: i64,
) -> rusqlite::Result<bool> {
    let delete = "DELETE FROM denied_tokens WHERE jti IN ( \
                  SELECT jti FROM denied_tokens WHERE until_ms <= ?1 LIMIT ?2)";
    let deleted = connection
        .prepare_cached(delete)?
        .execute((millis(now), budget))?;
    Ok(is_exhausted(deleted, budget))
}
