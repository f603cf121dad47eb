//! The starts of the store: a later store, or one that was restored, gave none of the ids before it.

use posthorn_domain::MessageId;
use rusqlite::Connection;

use super::{IdColumns, id};

/// The most starts that are kept.
const MAX_STARTS: i64 = 100;

/// Records the first id that the store gives after it was opened. Without another id since the last start, this one
/// replaces it.
pub(crate) fn record(connection: &Connection, (ms, seq): IdColumns) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO starts (seq, ms) VALUES (?1, ?2)";
    connection.execute(insert, (seq - 1, ms))?;
    let delete = "DELETE FROM starts WHERE seq < \
                  (SELECT seq FROM starts ORDER BY seq DESC LIMIT 1 OFFSET ?1)";
    connection.execute(delete, [MAX_STARTS - 1]).map(drop)
}

/// The recorded starts.
pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Vec<MessageId>> {
    let mut select = connection.prepare_cached("SELECT ms, seq FROM starts")?;
    let starts = select.query_map([], |row| Ok(id((row.get(0)?, row.get(1)?))))?;
    starts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_starts_are_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::create(&mut connection).unwrap();
        for number in 1..=MAX_STARTS + 5 {
            record(&connection, (1000 + number, number)).unwrap();
        }
        let starts = load(&connection).unwrap();
        assert_eq!(starts.len(), 100);
        assert_eq!(starts[0], id((1006, 5)));
        assert_eq!(starts[99], id((1105, 104)));
    }
}
