//! Where the file really is, so that there is one lock and one write-ahead log for it, and who may
//! read it.
//!
//! Both are named after the file: under a second name it would have others. What is made here is its
//! owner's alone, whatever the umask; what is there already keeps its mode.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::open::OpenError;

/// The one path of the file, which need not exist; its directory is made when it is missing.
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

/// The path of a file that goes with the one at `path`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Opens a file for writing that is made when it is missing.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// Refuses what is there under more than the one name, or is no file.
pub(crate) fn refuse_other_names(path: &Path) -> Result<(), OpenError> {
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
