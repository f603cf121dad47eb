//! From SQLite's errors to the port's: the one place that decides what is transient.

use posthorn_application::{BackendError, StoreError};
use rusqlite::ErrorCode;

/// What an error of SQLite means to a caller.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(text),
        // Without a code it is no answer of SQLite but a value that is not what the schema says.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
            StoreError::Corrupt(text)
        }
        Some(_) => StoreError::Unavailable(text),
    }
}

/// The store was closed, or its threads are gone.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

/// The store did not get to the operation in time.
pub(crate) fn timed_out() -> StoreError {
    StoreError::Unavailable("the store did not answer in time".to_owned())
}

/// The same for the list of revoked tokens, which is kept in the same file.
pub(crate) fn backend_error(error: StoreError) -> BackendError {
    if error.is_transient() {
        BackendError::Unavailable(error.to_string())
    } else {
        BackendError::Failed(error.to_string())
    }
}
