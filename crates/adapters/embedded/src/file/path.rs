//! The canonical path of the database, and the mode of new files.
//!
//! The lock and the write-ahead log are named after the database: under a second name it would have
//! other ones. New files are readable by their owner alone, whatever the umask; existing files keep
//! their mode.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use crate::error::OpenError;

/// The canonical path of the file, which need not exist; creates its directory if it is missing.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::Error::other("it is a symbolic link that leads nowhere"));
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it names no file"));
    };
    if directory.as_os_str().is_empty() {
        return Ok(fs::canonicalize(".")?.join(name));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    Ok(fs::canonicalize(directory)?.join(name))
}

/// `path` with `ending` appended to the file's name.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// True for a file of no bytes.
pub(crate) fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

/// True if nothing beside the database can be written.
pub(crate) fn is_read_only(database: &Path) -> bool {
    rustix::fs::statvfs(database)
        .is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// The URI of a database that nobody changes (<https://www.sqlite.org/uri.html>).
pub(crate) fn immutable_uri(database: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in database.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri + "?immutable=1"
}

/// Opens a file for writing; creates it if it is missing.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Rejects a path with another hard link, or of no regular file.
pub(crate) fn check_single_link(path: &Path) -> Result<(), OpenError> {
    let not_writable = |reason| OpenError::NotWritable {
        path: path.to_path_buf(),
        reason,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(not_writable(io::Error::other("it is no file"))),
        Ok(found) if found.nlink() > 1 => Err(OpenError::HardLinked(path.to_path_buf())),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(not_writable(error)),
        _ => Ok(()),
    }
}
