//! Opening the file: its lock, its check after a crash, its schema, its settings.

use std::io;
use std::path::{Path, PathBuf};

use posthorn_domain::Durability;
use rusqlite::{Connection, OpenFlags};

use crate::identity::FileIdentity;
use crate::lock::{FileLock, LockError};
use crate::place;
use crate::schema::{self, APPLICATION_ID, TooNew};
use crate::settings::EmbeddedStoreSettings;

/// How many statements a connection keeps prepared.
const STATEMENTS: usize = 64;

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or the file cannot be made or written.
    #[error("{} cannot be written: {reason}", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The file has several names, and each would have a lock and a log of its own.
    #[error(
        "{} has more than one name; remove the other hard links, or copy the file to one of its own",
        .0.display()
    )]
    HardLinked(PathBuf),
    /// The file belongs to something else.
    #[error("{} is a database of another application", .0.display())]
    Foreign(PathBuf),
    /// The file was made by a later version.
    #[error(
        "{} has the schema version {found}; this version of Posthorn knows up to {known}",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest version that is known.
        known: usize,
    },
    /// The file is damaged.
    #[error("{} is damaged: {reason}; restore a backup, or save what the sqlite3 shell's .recover finds", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        reason: String,
    },
    /// A file cannot be replicated.
    #[error("the embedded store reaches the durability `synced` at most")]
    Durability,
    /// SQLite refused.
    #[error("{} cannot be opened: {reason}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: rusqlite::Error,
    },
    /// A thread cannot be started.
    #[error("a thread of the store cannot be started: {0}")]
    Thread(io::Error),
}

/// The connection that writes, and the lock that goes with it.
pub(crate) struct Opened {
    /// The one path of the file, whichever was given.
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) identity: FileIdentity,
    pub(crate) lock: FileLock,
}

/// Opens the file for writing: made, checked or migrated as need be, and marked as in use.
pub(crate) fn open_writer(settings: &EmbeddedStoreSettings) -> Result<Opened, OpenError> {
    if settings.durability == Durability::Replicated {
        return Err(OpenError::Durability);
    }
    let path = place::resolve(&settings.path).map_err(|reason| OpenError::NotWritable {
        path: settings.path.clone(),
        reason,
    })?;
    let not_writable = |reason| OpenError::NotWritable {
        path: path.clone(),
        reason,
    };
    let lock = FileLock::take(&path).map_err(|error| match error {
        LockError::Held => OpenError::Locked(path.clone()),
        LockError::Io(reason) => not_writable(reason),
    })?;
    place::refuse_other_names(&path)?;
    // SQLite would make it readable for others; the log takes its mode from the database.
    drop(place::open_or_make(&path).map_err(not_writable)?);
    let connection = connect(&path, settings)?;
    let identity = FileIdentity::of(&path, &lock).map_err(not_writable)?;
    // Whoever took a lock's name away in the meantime may have let somebody else in.
    identity
        .check()
        .map_err(|reason| sqlite_error(&path, reason))?;
    Ok(Opened {
        path,
        connection,
        identity,
        lock,
    })
}

/// The connection that writes, to a file that is as it has to be.
fn connect(path: &Path, settings: &EmbeddedStoreSettings) -> Result<Connection, OpenError> {
    let sqlite = |reason| sqlite_error(path, reason);
    let mut connection = Connection::open(path).map_err(sqlite)?;
    refuse_foreign(&connection, path)?;
    configure(&connection, settings).map_err(sqlite)?;
    if !is_clean(&connection).map_err(sqlite)? {
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
    mark(&connection, false).map_err(sqlite)?;
    Ok(connection)
}

/// Opens the file for reading beside the writer.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|reason| sqlite_error(path, reason))
}

/// Says whether the next start may skip the check.
pub(crate) fn mark(connection: &Connection, clean: bool) -> rusqlite::Result<()> {
    let changed = "UPDATE counters SET value = ?1 WHERE name = 'clean'";
    connection.execute(changed, [i64::from(clean)]).map(drop)
}

/// Writes a page that says what it said before. An update to the same value would write nothing.
pub(crate) fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO counters VALUES ('probe', 0)", [])?;
    let delete = "DELETE FROM counters WHERE name = 'probe'";
    connection.execute(delete, []).map(drop)
}

fn configure(connection: &Connection, settings: &EmbeddedStoreSettings) -> rusqlite::Result<()> {
    connection.busy_timeout(settings.timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Only an empty file takes it; freed pages then go back to the system when asked to.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match settings.durability {
        Durability::Memory => "OFF",
        Durability::Synced | Durability::Replicated => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // About 4 MiB: appends touch few pages.
    connection.pragma_update(None, "cache_size", -4096)?;
    // What a burst left behind is cut back to 64 MiB after a checkpoint.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(pages) = settings.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

fn refuse_foreign(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let sqlite = |reason| sqlite_error(path, reason);
    let application = number("application_id").map_err(sqlite)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_path_buf()));
    }
    Ok(())
}

/// Whether the file is new or was closed in order.
fn is_clean(connection: &Connection) -> rusqlite::Result<bool> {
    let has_counters = "SELECT count(*) FROM sqlite_schema WHERE name = 'counters'";
    let tables: i64 = connection.query_row(has_counters, [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(true);
    }
    let clean = "SELECT value FROM counters WHERE name = 'clean'";
    connection.query_row(clean, [], |row| row.get(0))
}

fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|reason| sqlite_error(path, reason))?;
    if found == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: path.to_path_buf(),
        reason: found,
    })
}

fn sqlite_error(path: &Path, reason: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode;
    let path = path.to_path_buf();
    match reason.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged {
            path,
            reason: reason.to_string(),
        },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            OpenError::NotWritable {
                path,
                reason: io::Error::other(reason),
            }
        }
        _ => OpenError::Sqlite { path, reason },
    }
}
