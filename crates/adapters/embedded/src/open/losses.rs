//! What was lost while no server ran, and SQLite takes for nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::file::log_damage;
use crate::file::path::{is_empty, with_ending};
use crate::file::reserve::Reserve;

/// Logs a database that was emptied, and damage in its log.
pub(super) fn report(path: &Path, reserve: &Reserve) {
    let database = path.display();
    if is_empty(path) && reserve.exists() {
        tracing::error!(path = %database, "the database is empty, and a server has used it: what it held is lost");
    }
    let log = File::open(with_ending(path, "-wal"));
    match log.and_then(|log| log_damage::find(&mut BufReader::new(log))) {
        Ok(Some(damage)) => tracing::error!(
            path = %database,
            frame = damage.frame,
            transactions = damage.transactions,
            "the write-ahead log is damaged: its transactions from this frame on are lost; after a power cut they may \
             be grants of leases only"
        ),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "there is no write-ahead log to check"),
    }
}
