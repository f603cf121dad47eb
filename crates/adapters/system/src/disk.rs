//! The room that a file system has for a file.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

/// The room for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// The nearest directory above the file that exists.
    pub directory: PathBuf,
    /// The free bytes for this user.
    pub free_bytes: u64,
}

/// The room for the file at `path`, which need not exist.
///
/// # Errors
/// The file, or the nearest directory above it, cannot be written by this user, or the directory takes no file.
pub fn disk_room(path: &Path) -> io::Result<DiskRoom> {
    // A relative path ends with the empty one, which is the working directory.
    let mut above = path.ancestors().skip(1);
    let directory = above.find(|directory| directory.as_os_str().is_empty() || directory.exists());
    let directory = match directory {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
    // As root a directory such as `/proc` is writable and yet takes no file. The file has no name.
    tempfile::tempfile_in(directory)?;
    if path.exists() {
        access(path, Access::READ_OK | Access::WRITE_OK)?;
    }
    let found = statvfs(directory)?;
    Ok(DiskRoom {
        directory: directory.to_path_buf(),
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_existing_directory_counts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a/b/c.db");
        let room = disk_room(&file).unwrap();
        assert_eq!(room.directory, directory.path());
        assert!(room.free_bytes > 0);
        assert_eq!(
            disk_room(Path::new("none.db")).unwrap().directory,
            Path::new(".")
        );
    }

    #[test]
    fn a_path_below_a_file_is_an_error() {
        assert!(disk_room(Path::new("/dev/null/a.db")).is_err());
    }

    #[test]
    fn a_directory_that_takes_no_file_is_an_error_also_for_root() {
        assert!(disk_room(Path::new("/proc/a.db")).is_err());
    }
}
