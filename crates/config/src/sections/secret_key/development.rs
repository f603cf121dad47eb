//! The development key: a key in a file beside the store, made once, so that tokens and the secrets
//! of webhooks survive a restart where `SECRET_KEY` is not set.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// The number of hexadecimal digits of a development key: 256 bits.
const DIGITS: usize = 64;
/// The permissions that a key must not have: those of the group and of others.
const SHARED_MODE: u32 = 0o077;

/// Why a development key cannot be used. The texts never contain the key.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentKeyError {
    /// The file exists and cannot be read.
    #[error("the development key cannot be read: {0}; correct its permissions, or set SECRET_KEY")]
    Unreadable(io::Error),
    /// The path is no regular file.
    #[error("the development key is not a regular file; remove it, or set SECRET_KEY")]
    NotAFile,
    /// Other users of the machine may read the file.
    #[error("the development key has mode {0:o}; run `chmod 600` on it, or set SECRET_KEY")]
    Shared(u32),
    /// The file does not contain a key.
    #[error(
        "the development key is damaged: it has to be {DIGITS} hexadecimal digits; restore it, or \
         remove it to get a new one, which ends all tokens and secrets of webhooks"
    )]
    Damaged,
}

/// The path of the development key of the store at `store`: its path with `.key` appended.
pub(super) fn path(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".key");
    path.into()
}

/// Reads the key; `None` if the file does not exist.
///
/// # Errors
/// The file exists and contains no key that only its owner can read.
pub(super) fn read(path: &Path) -> Result<Option<SecretString>, DevelopmentKeyError> {
    // Checked before it is opened: a pipe at this path would block the start.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DevelopmentKeyError::Unreadable(error)),
    };
    if !metadata.is_file() {
        return Err(DevelopmentKeyError::NotAFile);
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & SHARED_MODE != 0 {
        return Err(DevelopmentKeyError::Shared(mode));
    }
    let mut text = String::new();
    // Two bytes more than a key and its line end, so that a longer file is seen to be longer.
    let limit = DIGITS as u64 + 3;
    let file = File::open(path).map_err(DevelopmentKeyError::Unreadable)?;
    match file.take(limit).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(DevelopmentKeyError::Damaged);
        }
        Err(error) => return Err(DevelopmentKeyError::Unreadable(error)),
    }
    let key = text.trim_end_matches(['\r', '\n']);
    let is_key = key.len() == DIGITS && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_key {
        return Err(DevelopmentKeyError::Damaged);
    }
    Ok(Some(SecretString::from(key)))
}

/// Writes `key` to a new file that only its owner can read. Does nothing if the file exists: of two
/// processes that start at once, both then read the key of the first.
///
/// # Errors
/// The file cannot be written.
pub(super) fn create(path: &Path, key: &SecretString) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // As the store makes it: the store is opened after this.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    // The temporary file has mode 600 and all its content before it gets its name, so that no process
    // ever reads a part of a key.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    writeln!(file, "{}", key.expose_secret())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(directory)?.sync_all(),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Barrier;
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    fn key(digit: &str) -> SecretString {
        SecretString::from(digit.repeat(DIGITS))
    }

    #[track_caller]
    fn text_of(path: &Path) -> String {
        let key = read(path).unwrap().expect("a key");
        key.expose_secret().to_owned()
    }

    #[test]
    fn a_new_key_is_private_and_is_never_replaced() {
        let directory = TempDir::new().unwrap();
        let path = path(&directory.path().join("data/a.db"));
        assert!(path.ends_with("data/a.db.key"));
        assert!(read(&path).unwrap().is_none());
        create(&path, &key("a")).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        create(&path, &key("b")).unwrap();
        assert_eq!(text_of(&path), "a".repeat(DIGITS));
        let names = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1, "no temporary file is left");
    }

    #[test]
    fn processes_that_start_at_once_read_the_same_key() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.db.key");
        let barrier = Barrier::new(8);
        let keys: Vec<_> = thread::scope(|scope| {
            let start = |digit: usize| {
                let (barrier, path) = (&barrier, &path);
                scope.spawn(move || {
                    barrier.wait();
                    create(path, &key(&digit.to_string())).unwrap();
                    text_of(path)
                })
            };
            let threads: Vec<_> = (0..8).map(start).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn a_file_that_is_no_private_key_is_refused_without_its_text() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.db.key");
        let good = "c".repeat(DIGITS);
        let write = |text: &[u8], mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for text in [
            "",
            "hunter2",
            &"c".repeat(DIGITS - 1),
            &format!("{good}d"),
            &"g".repeat(DIGITS),
        ] {
            write(text.as_bytes(), 0o600);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, DevelopmentKeyError::Damaged), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
        write(&[0xff; DIGITS], 0o600);
        assert!(matches!(read(&path), Err(DevelopmentKeyError::Damaged)));
        for mode in [0o640, 0o604, 0o644] {
            write(good.as_bytes(), mode);
            assert!(
                matches!(read(&path), Err(DevelopmentKeyError::Shared(found)) if found == mode)
            );
        }
        write(good.as_bytes(), 0o400);
        assert_eq!(text_of(&path), good);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read(&path), Err(DevelopmentKeyError::NotAFile)));
        fs::remove_dir(&path).unwrap();
        symlink(&path, &path).unwrap();
        assert!(matches!(
            read(&path),
            Err(DevelopmentKeyError::Unreadable(_))
        ));
    }
}
