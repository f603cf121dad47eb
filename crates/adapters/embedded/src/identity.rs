//! Whether the database is still the file that was opened.
//!
//! An open file outlives its name: a message that is written to one without a name is gone with the
//! process, however well it was synced.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

/// Which file a path named when the store was opened.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl FileIdentity {
    /// The file at `path` as it is now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            device_and_inode: device_and_inode(path)?,
        })
    }

    /// Fails as SQLite does where it looks itself, when the path names no file or another one.
    pub(crate) fn check(&self) -> rusqlite::Result<()> {
        let problem = match device_and_inode(&self.path) {
            Ok(found) if found == self.device_and_inode => return Ok(()),
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

fn device_and_inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
