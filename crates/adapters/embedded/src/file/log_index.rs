//! The index of the write-ahead log, the file `-shm`, at its length.
//!
//! SQLite maps it into memory: if it is truncated, the next access kills the process (SIGBUS), so its length is restored
//! before each transaction, and SQLite builds the index again. During a transaction it can still kill the process.
//! The lock mode `EXCLUSIVE` would need no file, but would keep the shell and backups out.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::path;

/// The length of the two copies of the header, in bytes.
const HEADERS: usize = 96;

/// The open index. Closing it releases the locks of SQLite on the file: it must be dropped after every connection.
#[derive(Debug)]
pub(crate) struct LogIndex {
    path: PathBuf,
    file: File,
    /// The greatest length so far, in bytes: SQLite has mapped that much at most.
    length: AtomicU64,
}

impl LogIndex {
    /// Opens the index of the database at `path`, which a connection has made.
    pub(crate) fn open(database: &Path) -> io::Result<Self> {
        let path = path::with_ending(database, "-shm");
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = AtomicU64::new(file.metadata()?.len());
        Ok(Self { path, file, length })
    }

    /// Restores the length if the file was truncated.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let found = self.file.metadata()?.len();
        let length = self.length.fetch_max(found, Ordering::AcqRel);
        if found < length {
            // The rest may begin with a valid header, which would make SQLite believe the zeros behind it.
            self.file.write_all_at(&[0; HEADERS], 0)?;
            self.file.set_len(length)?;
            let path = self.path.display();
            tracing::error!(%path, found, length, "the index of the log was truncated, it is built again");
        }
        Ok(())
    }
}
