//! A look at the file that changes nothing, while a server runs or none does.

use std::path::Path;

use posthorn_domain::Timestamp;

use crate::error::OpenError;
use crate::file::path::check_single_link;
use crate::file::reserve::Reserve;
use crate::open::{check_application, check_not_empty, read_beside};
use crate::schema::STEPS;
use crate::sql::{health, seen_time};

/// What the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreInspection {
    /// The last time that the store has trusted; `None` if it has seen none, and in a file that the next
    /// start migrates.
    pub seen: Option<Timestamp>,
    /// The time of the newest id; `None` if the store has given none, and in a file that the next start
    /// migrates.
    pub newest: Option<Timestamp>,
}

/// Checks that a server could open the database at `path`, and reads from each of its tables. `None` if
/// there is no file yet. It blocks on file I/O.
///
/// # Errors
/// The file cannot be read, is damaged where it was read, or is not of this version of Posthorn.
pub fn inspect(path: &Path, now: Timestamp) -> Result<Option<StoreInspection>, OpenError> {
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let sqlite = |reason| OpenError::sqlite(path, reason);
    let canonical = path
        .canonicalize()
        .map_err(|reason| OpenError::NotWritable {
            path: path.to_path_buf(),
            reason,
        })?;
    check_single_link(&canonical)?;
    if Reserve::of(&canonical).exists() {
        check_not_empty(&canonical, path)?;
    }
    let connection = read_beside(&canonical).map_err(sqlite)?;
    check_application(&connection, path)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: i64 = version.map_err(sqlite)?;
    let known = STEPS.len();
    match usize::try_from(found) {
        Ok(version) if version == known => {
            health::check(&connection, &canonical).map_err(sqlite)?;
            let seen = seen_time::load(&connection, now).map_err(sqlite)?;
            let newest = seen_time::newest(&connection).map_err(sqlite)?;
            Ok(Some(StoreInspection { seen, newest }))
        }
        Ok(version) if version < known => Ok(Some(StoreInspection {
            seen: None,
            newest: None,
        })),
        _ => Err(OpenError::TooNew {
            path: path.to_path_buf(),
            found,
            known,
        }),
    }
}
