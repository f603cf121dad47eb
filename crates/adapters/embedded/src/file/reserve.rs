//! Space on the disk for the next start: SQLite cannot even read a database without the index of its log, which needs
//! some, and so does the mark that the store is in use.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::path;

/// The bytes of the reserve: an index of a log of 64 MiB, and a few pages of the log.
const SIZE: u64 = 512 * 1024;
/// The bytes of one write: without space for all of them, the reserve is smaller.
const CHUNK: usize = 4096;

/// A file that only takes space.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve beside the database.
    pub(crate) fn of(database: &Path) -> Self {
        Self {
            path: path::with_ending(database, ".reserve"),
        }
    }

    /// True if a server has opened the store before.
    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Returns the space to the file system; returns false if there was none.
    pub(crate) fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Takes the space, or as much of it as there is.
    ///
    /// # Errors
    /// The file could not be completed.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let length = fs::symlink_metadata(&self.path).map_or(0, |found| found.len());
        let chunk = [0; CHUNK];
        let missing = SIZE.saturating_sub(length).div_ceil(CHUNK as u64);
        if missing == 0 {
            return Ok(());
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)?;
        (0..missing).try_for_each(|_| file.write_all(&chunk))
    }
}
