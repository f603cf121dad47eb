//! Whether the database and its lock are still the files that were opened.
//!
//! An open file outlives its name: a message that is written to one without a name is gone with the
//! process, however well it was synced. A lock without its name keeps nobody out.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

use crate::lock::FileLock;

/// Which files the paths named when the store was opened.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    database: Named,
    lock: Named,
}

/// A file and the name by which it has to be found.
#[derive(Debug)]
struct Named {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    /// The database at `path` as it is now, and the lock that is held.
    pub(crate) fn of(path: &Path, lock: &FileLock) -> io::Result<Self> {
        Ok(Self {
            database: Named::at(path.to_path_buf())?,
            lock: Named {
                path: lock.path().to_path_buf(),
                device_and_inode: device_and_inode(&lock.metadata()?),
            },
        })
    }

    /// Fails as SQLite does where it looks itself, when a path names no file or another one.
    pub(crate) fn check(&self) -> rusqlite::Result<()> {
        self.database.check()?;
        self.lock.check()
    }
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
