//! The ids of revoked tokens.

use posthorn_domain::{Timestamp, TokenId};
use rusqlite::{Connection, OptionalExtension};

use super::prune::is_used_up;

/// Denies `id` until `until`, or for as long as it is denied already.
pub(crate) fn add(connection: &Connection, id: &TokenId, until: Timestamp) -> rusqlite::Result<()> {
    let insert = "INSERT INTO denied_tokens (jti, until_ms) VALUES (?1, ?2) \
                  ON CONFLICT (jti) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)";
    let row = (id.as_str(), millis(until));
    connection.prepare_cached(insert)?.execute(row).map(drop)
}

/// Whether `id` is denied at `now`.
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

/// Forgets at most `budget` ids whose time has passed; says whether it were as many.
pub(crate) fn forget(
    connection: &Connection,
    now: Timestamp,
    budget: i64,
) -> rusqlite::Result<bool> {
    let delete = "DELETE FROM denied_tokens WHERE jti IN ( \
                  SELECT jti FROM denied_tokens WHERE until_ms <= ?1 LIMIT ?2)";
    let bounds = (millis(now), budget);
    let forgotten = connection.prepare_cached(delete)?.execute(bounds)?;
    Ok(is_used_up(forgotten, budget))
}

fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}
