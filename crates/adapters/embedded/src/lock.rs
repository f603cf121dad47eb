//! The lock that keeps a second process out. The shell may still read the database: it asks for
//! SQLite's own locks only.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::place;

/// Held as long as the store is open; the system releases it when the process ends, however.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    Held,
    Io(io::Error),
}

impl FileLock {
    /// Takes the lock beside the database at `path`, or says that another process holds it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let path = place::beside(path, ".lock");
        let file = place::open_or_make(&path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }

    /// Where the lock file was when it was taken.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Of the file that is held, whatever its name is by now.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}
