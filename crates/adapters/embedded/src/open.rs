//! Opening the file: lock, integrity check after a crash, schema, settings.

mod losses;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use posthorn_domain::Durability;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::file::identity::FileIdentity;
use crate::file::lock::{FileLock, LockError};
use crate::file::log_index::LogIndex;
use crate::file::path;
use crate::file::reserve::Reserve;
use crate::schema::{self, APPLICATION_ID, TooNew};
use crate::settings::EmbeddedStoreSettings;

/// The prepared statements that a connection caches.
const STATEMENTS: usize = 128;

/// The opened file: the connection of the writer, and the lock.
pub(crate) struct OpenedFile {
    /// The canonical path.
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) identity: FileIdentity,
    /// Not on a read-only file system.
    pub(crate) index: Option<Arc<LogIndex>>,
    pub(crate) lock: FileLock,
    pub(crate) reserve: Reserve,
    /// False if the disk has no space, so that the reserve was needed, or is read-only.
    pub(crate) can_write: bool,
    /// The most topics with a message.
    pub(crate) max_topics: u64,
}

/// Opens the file for writing: creates, checks or migrates it as needed, and marks it as in use. On a read-only file
/// system it is opened for reading.
pub(crate) fn open_writer(settings: &EmbeddedStoreSettings) -> Result<OpenedFile, OpenError> {
    if settings.durability == Durability::Replicated {
        return Err(OpenError::Durability);
    }
    let path = path::resolve(&settings.path).map_err(|reason| OpenError::NotWritable {
        path: settings.path.clone(),
        reason,
    })?;
    let not_writable = |reason| OpenError::NotWritable {
        path: path.clone(),
        reason,
    };
    let lock = FileLock::acquire(&path).map_err(|error| match error {
        LockError::Held => OpenError::Locked(path.clone()),
        LockError::Io(reason) => not_writable(reason),
    })?;
    path::check_single_link(&path)?;
    let reserve = Reserve::of(&path);
    let (connection, can_write, index) = if path::is_read_only(&path) {
        (connect_read_only(&path)?, false, None)
    } else {
        // Before SQLite does: it would create a file that others may read. The log inherits the mode.
        drop(path::open_or_create(&path).map_err(not_writable)?);
        losses::report(&path, &reserve);
        let (connection, is_disk_full) = connect_with(&reserve, &path, settings)?;
        let index = LogIndex::open(&path).map_err(not_writable)?;
        (connection, !is_disk_full, Some(Arc::new(index)))
    };
    let identity = FileIdentity::of(&path, &lock, index.clone()).map_err(not_writable)?;
    // Another process may hold a new lock file if this one was removed since.
    identity
        .check()
        .and_then(|_| identity.check_written())
        .map_err(|reason| OpenError::sqlite(&path, reason))?;
    Ok(OpenedFile {
        path,
        connection,
        identity,
        index,
        lock,
        reserve,
        can_write,
        max_topics: settings.max_topics,
    })
}

/// As [`connect`]. On a full disk it needs the reserve, and takes again what is left of it: then it returns true.
fn connect_with(
    reserve: &Reserve,
    path: &Path,
    settings: &EmbeddedStoreSettings,
) -> Result<(Connection, bool), OpenError> {
    let connected = match connect(path, settings) {
        // SQLite returns various errors without space, and a retry does no harm after others.
        Err(error @ (OpenError::Sqlite { .. } | OpenError::NotWritable { .. }))
            if reserve.release() =>
        {
            let connected = connect(path, settings);
            if connected.is_ok() {
                tracing::error!(%error, "no space on the disk: the store is opened with its reserve, for reading");
            }
            connected.map(|connection| (connection, true))
        }
        connected => connected.map(|connection| (connection, false)),
    };
    if let Err(error) = reserve.fill() {
        tracing::debug!(%error, "the reserve of space is not complete");
    }
    connected
}

/// The connection of the writer, to a checked and migrated file.
fn connect(path: &Path, settings: &EmbeddedStoreSettings) -> Result<Connection, OpenError> {
    let sqlite = |reason| OpenError::sqlite(path, reason);
    let mut connection = Connection::open(path).map_err(sqlite)?;
    check_application(&connection, path)?;
    configure(&connection, settings).map_err(sqlite)?;
    if !was_closed_cleanly(&connection).map_err(sqlite)? {
        tracing::warn!(path = %path.display(), "the store was not closed in order, checking it");
        quick_check(&connection, path)?;
    }
    match schema::migrate(&mut connection).map_err(sqlite)? {
        Ok(()) => {}
        Err(TooNew { found }) => {
            let known = schema::STEPS.len();
            return Err(OpenError::TooNew {
                path: path.to_path_buf(),
                found,
                known,
            });
        }
    }
    mark_clean(&connection, false).map_err(sqlite)?;
    Ok(connection)
}

/// As [`connect`], on a read-only file system. It cannot migrate a file of an earlier version.
fn connect_read_only(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |reason| OpenError::sqlite(path, reason);
    let connection = read_only(path).map_err(sqlite)?;
    check_application(&connection, path)?;
    if !was_closed_cleanly(&connection).map_err(sqlite)? {
        quick_check(&connection, path)?;
    }
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let version: i64 = version.map_err(sqlite)?;
    if usize::try_from(version) != Ok(schema::STEPS.len()) {
        return Err(OpenError::NotWritable {
            path: path.to_path_buf(),
            reason: io::ErrorKind::ReadOnlyFilesystem.into(),
        });
    }
    tracing::error!(path = %path.display(), "the file system is read-only: the store is opened for reading");
    Ok(connection)
}

/// Opens the file for reading beside the writer.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let connection = read_only(path)?;
        connection.pragma_update(None, "query_only", true)?;
        cache_statements(&connection)?;
        Ok(connection)
    };
    open().map_err(|reason| OpenError::sqlite(path, reason))
}

/// A connection that can only read.
pub(crate) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // On a read-only file system SQLite cannot make the index of a log, and needs none where there is no log.
    if path::is_read_only(path) && !path::with_ending(path, "-wal").exists() {
        let uri = path::immutable_uri(path);
        return Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI);
    }
    Connection::open_with_flags(path, flags)
}

/// A connection that reads beside a server, or without one. It leaves the files as they were: where there is no
/// write-ahead log it may write, because SQLite then removes at its end the log that it makes, and a
/// connection that can only read does not.
pub(crate) fn read_beside(path: &Path) -> rusqlite::Result<Connection> {
    if path::with_ending(path, "-wal").exists() || path::is_read_only(path) {
        return read_only(path);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// Stores whether the store was closed in order, so that the next start may skip the check.
pub(crate) fn mark_clean(connection: &Connection, clean: bool) -> rusqlite::Result<()> {
    let changed = "UPDATE counters SET value = ?1 WHERE name = 'clean'";
    connection.execute(changed, [i64::from(clean)]).map(drop)
}

fn configure(connection: &Connection, settings: &EmbeddedStoreSettings) -> rusqlite::Result<()> {
    connection.busy_timeout(settings.timeout)?;
    cache_statements(connection)?;
    // Takes effect on an empty file only; pruning then returns freed pages to the file system.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match settings.durability {
        Durability::Memory => "OFF",
        Durability::Synced | Durability::Replicated => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // About 4 MiB: appends change few pages.
    connection.pragma_update(None, "cache_size", -4096)?;
    // A log that grew in a burst is cut back to 64 MiB after a checkpoint.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(bytes) = settings.max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = bytes / u64::from(page.max(1));
        let pages = u32::try_from(pages).unwrap_or(u32::MAX - 1);
        connection.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    Ok(())
}

/// Prepares each statement once. Without the guarantee of stable plans SQLite prepares a statement with
/// a bound `LIMIT` again for each value, which costs more than its execution.
fn cache_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
}

/// Rejects a database of no bytes, which SQLite takes for a new one: it would delete its log. `name` is that of the error.
pub(crate) fn check_not_empty(file: &Path, name: &Path) -> Result<(), OpenError> {
    if path::is_empty(file) {
        return Err(OpenError::Damaged {
            path: name.to_path_buf(),
            reason: "it is empty".to_owned(),
        });
    }
    Ok(())
}

/// Rejects a database with tables of another application.
pub(crate) fn check_application(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |reason| OpenError::sqlite(path, reason);
    let application: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(sqlite)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_path_buf()));
    }
    Ok(())
}

/// True if the file is new or was closed in order.
fn was_closed_cleanly(connection: &Connection) -> rusqlite::Result<bool> {
    let has_counters = "SELECT count(*) FROM sqlite_schema WHERE name = 'counters'";
    let tables: i64 = connection.query_row(has_counters, [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(true);
    }
    let clean = "SELECT value FROM counters WHERE name = 'clean'";
    connection.query_row(clean, [], |row| row.get(0))
}

/// Rejects a damaged database.
pub(crate) fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let result: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|reason| OpenError::sqlite(path, reason))?;
    if result == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: path.to_path_buf(),
        reason: result,
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_with_a_limit_is_prepared_once() {
        let connection = Connection::open_in_memory().unwrap();
        cache_statements(&connection).unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        let mut select = connection.prepare("SELECT a FROM t LIMIT ?1").unwrap();
        for limit in 1..10 {
            assert!(!select.exists([limit]).unwrap());
        }
        assert_eq!(select.get_status(StatementStatus::RePrepare), 0);
    }
}
