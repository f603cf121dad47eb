//! The message store in one SQLite file, which operators can open with the `sqlite3` shell.
//!
//! One thread writes and commits all waiting commands in one transaction, so that one `fsync` serves
//! many callers; a few threads read beside it. The tables are documented in [`schema`].

mod backup;
mod call_span;
mod consumer_call;
mod consumer_store;
mod error;
mod file;
mod inspect;
mod notifiers;
mod open;
mod readers;
pub mod schema;
mod settings;
mod sql;
mod store;
mod webhook_store;
mod writer;

pub use backup::{BackupError, back_up};
pub use error::OpenError;
pub use inspect::{StoreInspection, inspect};
pub use settings::EmbeddedStoreSettings;
pub use store::EmbeddedStore;
