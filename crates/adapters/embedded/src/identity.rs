//! Whether the database, its log and its lock are still the files that were opened.
//!
//! An open file outlives its name: a message that is written to one without a name is gone with the
//! process, however well it was synced. A lock without its name keeps nobody out.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

use crate::lock::FileLock;
use crate::place;

/// Which files the paths named when the store was opened.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    database: Named,
    log: Named,
    lock: Named,
}

/// A file and the name by which it has to be found.
#[derive(Debug)]
struct Named {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    /// The database at `path` and its write-ahead log as they are now, and the lock that is held.
    /// The log is there from the first write on, until the last connection closes.
    pub(crate) fn of(path: &Path, lock: &FileLock) -> io::Result<Self> {
        Ok(Self {
            database: Named::at(path.to_path_buf())?,
            log: Named::at(place::beside(path, "-wal"))?,
            lock: Named {
                path: lock.path().to_path_buf(),
                device_and_inode: device_and_inode(&lock.metadata()?),
            },
        })
    }

    /// Before a transaction: fails as SQLite does where it looks itself, when a path names no file
    /// or another one.
    pub(crate) fn check(&self) -> rusqlite::Result<()> {
        self.check_owned()?;
        self.log.check()
    }

    /// After a transaction: whether what was written is where the next start looks for it.
    pub(crate) fn check_written(&self) -> rusqlite::Result<()> {
        self.database.check()?;
        self.log.check()
    }

    /// Before the end: whether the database is this process's. Its log need not have a name, for
    /// what it holds is about to be moved into the database.
    pub(crate) fn check_owned(&self) -> rusqlite::Result<()> {
        self.database.check()?;
        self.lock.check()
    }
}

/// Whether an error says that a file was moved, so that it is no use to try again.
pub(crate) fn is_moved(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_DBMOVED)
}

impl Named {
    fn at(path: PathBuf) -> io::Result<Self> {
        let device_and_inode = device_and_inode(&fs::symlink_metadata(&path)?);
        Ok(Self {
            path,
            device_and_inode,
        })
    }

    fn check(&self) -> rusqlite::Result<()> {
        let problem = match fs::symlink_metadata(&self.path) {
            Ok(found) if device_and_inode(&found) == self.device_and_inode => return Ok(()),
            Ok(_) => "another file has taken its place".to_owned(),
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
