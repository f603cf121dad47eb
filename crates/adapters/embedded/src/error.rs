//! The errors of opening, and the mapping of SQLite's errors to those of the ports.

use std::io;
use std::path::{Path, PathBuf};

use posthorn_application::{BackendError, StoreError};
use rusqlite::{ErrorCode, ffi};

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or the file cannot be created or written.
    #[error("{} cannot be written: {reason}", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        reason: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The file has several hard links, and each would have a lock and a log of its own.
    #[error(
        "{} has more than one name; remove the other hard links, or copy the file to one of its own",
        .0.display()
    )]
    HardLinked(PathBuf),
    /// The database belongs to another application.
    #[error("{} is a database of another application", .0.display())]
    Foreign(PathBuf),
    /// The file was written by a later version.
    #[error(
        "{} has the schema version {found}; this version of Posthorn knows up to {known}",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version of the file's schema.
        found: i64,
        /// The newest known version.
        known: usize,
    },
    /// The file is damaged.
    #[error("{} is damaged: {reason}; restore a backup, or save what the sqlite3 shell's .recover finds", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The result of the integrity check.
        reason: String,
    },
    /// A file cannot be replicated.
    #[error("the embedded store reaches the durability `synced` at most")]
    Durability,
    /// SQLite returned another error.
    #[error("{} cannot be opened: {reason}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        reason: rusqlite::Error,
    },
    /// A thread cannot be started.
    #[error("a thread of the store cannot be started: {0}")]
    Thread(io::Error),
}

impl OpenError {
    /// The error of a call to SQLite while opening the file at `path`.
    pub(crate) fn sqlite(path: &Path, reason: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match reason.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged {
                path,
                reason: reason.to_string(),
            },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::NotWritable {
                    path,
                    reason: io::Error::other(reason),
                }
            }
            _ => Self::Sqlite { path, reason },
        }
    }
}

/// Maps an error of SQLite. Only here is decided which errors are transient.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(text),
        // Without a code the error is not SQLite's: a value does not match the schema.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
            StoreError::Corrupt(text)
        }
        Some(_) => StoreError::Unavailable(text),
    }
}

/// The store was closed, or its threads have ended.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// The operation did not finish within its time limit.
pub(crate) fn timed_out() -> StoreError {
    StoreError::Unavailable("the store timed out".to_owned())
}

/// The error of the revocation list, which is a table of the same file.
pub(crate) fn backend_error(error: StoreError) -> BackendError {
    if error.is_transient() {
        BackendError::Unavailable(error.to_string())
    } else {
        BackendError::Failed(error.to_string())
    }
}

/// The error of a damaged file that SQLite has not noticed.
pub(crate) fn corrupt(reason: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(reason))
}
