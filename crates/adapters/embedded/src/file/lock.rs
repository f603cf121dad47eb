//! The lock against a second process. The shell may still read the database: it uses SQLite's own
//! locks only.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::path;

/// The held lock. The operating system releases it when the process ends, however.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    file: File,
}

/// Why the lock cannot be acquired.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process holds it.
    Held,
    Io(io::Error),
}

impl FileLock {
    /// Acquires the lock beside the database, without waiting. On a read-only file system it needs the file that a
    /// server has left.
    pub(crate) fn acquire(database: &Path) -> Result<Self, LockError> {
        let path = path::with_ending(database, ".lock");
        let file = match path::open_or_create(&path) {
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
                File::open(&path).map_err(|_| error)
            }
            opened => opened,
        };
        let file = file.map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }

    /// The path of the lock file when the lock was acquired.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata of the locked file, whatever its path is by now.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}
