//! Detects that the database, its log or its lock was moved or removed, or the log truncated, while the store is open.
//!
//! An open file outlives its name: a message written to a file without a name is lost with the
//! process, even if it was synced. A lock without its name keeps no other process out.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;

use super::lock::FileLock;
use super::log_index::LogIndex;
use super::path;
use crate::error::corrupt;

/// The files that the paths named when the store was opened.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    database: NamedFile,
    /// Without both on a read-only file system.
    log: Option<(NamedFile, Arc<LogIndex>)>,
    lock: NamedFile,
    /// The length of the log after the last transaction. Until the next one begins, nothing may truncate it.
    log_length: AtomicU64,
    /// The length of the database then. A checkpoint of another program may shorten it by pages that retention freed.
    database_length: AtomicU64,
}

/// A file and the path by which it must be reachable.
#[derive(Debug)]
struct NamedFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    /// The database at `path`, its write-ahead log with its index, and the held lock, as they are now. The log
    /// exists from the first write until the last connection closes.
    pub(crate) fn of(
        path: &Path,
        lock: &FileLock,
        index: Option<Arc<LogIndex>>,
    ) -> io::Result<Self> {
        let log = |index| {
            let log = NamedFile::at(path::with_ending(path, "-wal"))?;
            Ok::<_, io::Error>((log, index))
        };
        Ok(Self {
            database: NamedFile::at(path.to_path_buf())?,
            log: index.map(log).transpose()?,
            lock: NamedFile {
                path: lock.path().to_path_buf(),
                device_and_inode: device_and_inode(&lock.metadata()?),
            },
            log_length: AtomicU64::new(0),
            database_length: AtomicU64::new(0),
        })
    }

    /// Checks all three files, before a transaction. The error is SQLite's own for a moved file. Returns the path of the
    /// database if it is shorter than after the last transaction.
    pub(crate) fn check(&self) -> rusqlite::Result<Option<&Path>> {
        let is_shorter = self.check_owned()? < self.database_length.load(Ordering::Relaxed);
        let shortened = is_shorter.then_some(self.database.path.as_path());
        let Some((log, _)) = &self.log else {
            return Ok(shortened);
        };
        if log.check()? < self.log_length.load(Ordering::Relaxed) {
            return Err(corrupt(format!("{} was truncated", log.path.display())));
        }
        Ok(shortened)
    }

    /// True if the log is shorter than after the last transaction. One without its name is whole.
    pub(crate) fn is_log_truncated(&self) -> bool {
        let length = self.log_length.load(Ordering::Relaxed);
        let log = self.log.as_ref();
        log.is_some_and(|(log, _)| log.check().is_ok_and(|found| found < length))
    }

    /// Checks after a transaction that the next start will find what was written, and notes the lengths of the files.
    pub(crate) fn check_written(&self) -> rusqlite::Result<()> {
        let length = self.database.check()?;
        self.database_length.store(length, Ordering::Relaxed);
        if let Some((log, _)) = &self.log {
            self.log_length.store(log.check()?, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Checks before closing that this process still owns the database, and returns the length of that. The log may have
    /// lost its name: closing moves its content into the database.
    pub(crate) fn check_owned(&self) -> rusqlite::Result<u64> {
        let length = self.database.check()?;
        self.lock.check()?;
        if let Some((_, index)) = &self.log {
            index.restore().map_err(|error| {
                let code = ffi::Error::new(ffi::SQLITE_IOERR);
                rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
            })?;
        }
        Ok(length)
    }
}

/// True if the error is that of a moved file, so that a retry is useless.
pub(crate) fn is_moved(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_DBMOVED)
}

impl NamedFile {
    fn at(path: PathBuf) -> io::Result<Self> {
        let device_and_inode = device_and_inode(&fs::symlink_metadata(&path)?);
        Ok(Self {
            path,
            device_and_inode,
        })
    }

    /// Its length, if the path still names the file.
    fn check(&self) -> rusqlite::Result<u64> {
        let problem = match fs::symlink_metadata(&self.path) {
            Ok(found) if device_and_inode(&found) == self.device_and_inode => {
                return Ok(found.len());
            }
            Ok(_) => "the path names another file".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED),
            Some(format!(
                "{} was moved or removed: {problem}",
                self.path.display()
            )),
        ))
    }
}

fn device_and_inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
