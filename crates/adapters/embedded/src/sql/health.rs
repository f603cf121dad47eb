//! The check that the file can be read: its tables, and its length.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::error::corrupt;
use crate::file::path;

/// Every table, and an order in which its rows are read from either end: by its key, or by an index.
const TABLES: [(&str, &str); 15] = [
    ("messages", "topic_id, ms, seq"),
    ("topics", "topic_id"),
    ("topics", "name"),
    ("idempotency_keys", "topic_id, key"),
    ("idempotency_keys", "expires_ms"),
    ("denied_tokens", "jti"),
    ("denied_tokens", "until_ms"),
    ("consumers", "consumer_id"),
    ("consumers", "topic_id, kind, name"),
    ("deliveries", "consumer_id, ms, seq"),
    ("dead_letters", "consumer_id, ms, seq"),
    ("webhooks", "consumer_id"),
    ("webhook_attempts", "consumer_id, slot"),
    ("starts", "seq"),
    ("counters", "name"),
];

/// Reads the first and the last row of each table over a new connection, which has nothing cached.
pub(crate) fn check(connection: &Connection, database: &Path) -> rusqlite::Result<()> {
    for (table, key) in TABLES {
        let descending = key.replace(',', " DESC,");
        for order in [key, &format!("{descending} DESC")] {
            let select = format!("SELECT * FROM {table} ORDER BY {order} LIMIT 1");
            let mut select = connection.prepare(&select)?;
            let columns = select.column_count();
            let read = |row: &rusqlite::Row<'_>| {
                // A row that is damaged hides only itself; a page that is missing is an error of SQLite's.
                (0..columns).try_for_each(|column| row.get_ref(column).map(drop))
            };
            select.query_row([], read).optional()?;
        }
    }
    check_length(connection, database)
}

/// Checks that the file is as long as it says, but for pages that can be in the log.
fn check_length(connection: &Connection, database: &Path) -> rusqlite::Result<()> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let expected = number("page_count")?.saturating_mul(number("page_size")?);
    let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
    let found = length(database).saturating_add(length(&path::with_ending(database, "-wal")));
    if i64::try_from(found).unwrap_or(i64::MAX) >= expected {
        return Ok(());
    }
    Err(corrupt(format!("the file has {found} bytes of {expected}")))
}
