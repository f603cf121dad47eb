//! A consistent copy of the file, taken while the server runs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tempfile::Builder;

use crate::error::OpenError;
use crate::open::{check_application, check_not_empty, quick_check, read_beside, read_only};

/// How long SQLite waits for another process that recovers the write-ahead log.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no store to copy.
    #[error("there is no store at {}", .0.display())]
    Absent(PathBuf),
    /// The store cannot be read, or its copy is damaged.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The target exists.
    #[error("{} exists, and a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// The target cannot be written.
    #[error("{} cannot be written: {reason}", path.display())]
    Target {
        /// The target.
        path: PathBuf,
        /// The error of the operating system, or of SQLite.
        reason: io::Error,
    },
}

/// Copies the database at `source` to the new file `target`, and returns its length in bytes. The copy
/// has everything that was committed when it began. Writers are not blocked, but the write-ahead log
/// grows until it ends. It blocks on file I/O.
///
/// The target has the mode 0600, and appears only once it is complete, checked and synced. A killed process
/// leaves a file with the prefix `.posthorn-backup-` beside it.
///
/// # Errors
/// There is no store, it cannot be read, or the target exists or cannot be written.
pub fn back_up(source: &Path, target: &Path) -> Result<u64, BackupError> {
    if !source.exists() {
        return Err(BackupError::Absent(source.to_path_buf()));
    }
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(target.to_path_buf()));
    }
    let not_written = |reason| BackupError::Target {
        path: target.to_path_buf(),
        reason,
    };
    let directory = match target.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    let copy = builder.prefix(".posthorn-backup-").tempfile_in(directory);
    let copy = copy.map_err(not_written)?;
    // The log is named after the file that a link leads to.
    let canonical = source.canonicalize();
    let canonical = canonical.map_err(|_| BackupError::Absent(source.to_path_buf()))?;
    check_not_empty(&canonical, source)?;
    let of_source = |reason| OpenError::sqlite(source, reason);
    let database = read_beside(&canonical).map_err(of_source)?;
    check_application(&database, source)?;
    let name = copy.path().to_str();
    let name = name.ok_or_else(|| not_written(io::Error::other("its path is not UTF-8")))?;
    vacuum_into(&database, name).map_err(|reason| match reason.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => BackupError::Store(of_source(reason)),
        _ => not_written(io::Error::other(reason)),
    })?;
    drop(database);
    let copied = read_only(copy.path()).map_err(of_source)?;
    quick_check(&copied, source)?;
    drop(copied);
    // SQLite does not sync this file.
    copy.as_file().sync_all().map_err(not_written)?;
    let length = copy.as_file().metadata().map_err(not_written)?.len();
    copy.persist_noclobber(target)
        .map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(target.to_path_buf()),
            _ => not_written(error.error),
        })?;
    // The name is as durable as the content.
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(not_written)?;
    Ok(length)
}

/// Writes everything to the empty file `target`, in one transaction.
fn vacuum_into(database: &Connection, target: &str) -> rusqlite::Result<()> {
    database.busy_timeout(BUSY_TIMEOUT)?;
    database.execute("VACUUM INTO ?1", [target]).map(drop)
}
