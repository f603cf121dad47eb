//! The message store in one SQLite file that every operator can open with the `sqlite3` shell.
//!
//! One thread writes and commits whatever waits as one group, so that one `fsync` serves many
//! callers; a few threads read beside it. The tables are documented in [`schema`].

mod consumer_call;
mod consumer_store;
mod fault;
mod identity;
mod lock;
mod open;
mod place;
mod readers;
pub mod schema;
mod settings;
mod sql;
mod store;
mod writer;

pub use open::OpenError;
pub use settings::EmbeddedStoreSettings;
pub use store::EmbeddedStore;
