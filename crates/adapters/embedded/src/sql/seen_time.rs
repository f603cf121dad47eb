//! The last time that the store has trusted, so that a new process does not trust a clock that jumped.

use posthorn_domain::Timestamp;
use rusqlite::Connection;

use super::millis;

/// The smallest change that is written, in milliseconds: a new process trusts at most that much less.
const STEP: i64 = 60_000;

/// The time to trust when the clock is at `now`; `None` if the store has seen none.
///
/// A file of an earlier schema has seen the time of its newest id, unless that is ahead of the clock.
pub(crate) fn load(connection: &Connection, now: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    if let Some(seen) = counter(connection, "seen_ms")? {
        return Ok(Some(seen));
    }
    let newest = newest(connection)?;
    Ok(newest.map(|newest| newest.min(now)))
}

/// The time of the newest id; `None` if there is none.
pub(crate) fn newest(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    counter(connection, "last_ms")
}

/// A time that is kept as a counter; `None` if it is zero.
fn counter(connection: &Connection, name: &str) -> rusqlite::Result<Option<Timestamp>> {
    let select = "SELECT value FROM counters WHERE name = ?1";
    let value: i64 = connection.query_row(select, [name], |row| row.get(0))?;
    let millis = u64::try_from(value).unwrap_or(0);
    Ok((millis > 0).then(|| Timestamp::from_millis(millis)))
}

/// Writes the trusted time, if it has changed by a minute.
pub(crate) fn save_if_moved(connection: &Connection, trusted: Timestamp) -> rusqlite::Result<()> {
    let update = "UPDATE counters SET value = ?1 WHERE name = 'seen_ms' AND abs(value - ?1) >= ?2";
    let mut update = connection.prepare_cached(update)?;
    update.execute((millis(trusted), STEP)).map(drop)
}

/// Writes the trusted time.
pub(crate) fn save(connection: &Connection, trusted: Timestamp) -> rusqlite::Result<()> {
    let update = "UPDATE counters SET value = ?1 WHERE name = 'seen_ms'";
    connection.execute(update, [millis(trusted)]).map(drop)
}
