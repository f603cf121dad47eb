//! The settings of the embedded store.

use std::path::PathBuf;
use std::time::Duration;

use posthorn_domain::Durability;

/// The settings of an [`EmbeddedStore`](crate::EmbeddedStore).
#[derive(Clone, Debug)]
pub struct EmbeddedStoreSettings {
    /// The database file; its directory is created if it is missing. Beside it are the write-ahead
    /// log (`-wal`, `-shm`) and the lock file (`.lock`). Symbolic links are followed first; a file
    /// with several hard links is rejected, because each name would have a log and a lock.
    pub path: PathBuf,
    /// [`Durability::Synced`] waits for `fsync` before a message is acknowledged;
    /// [`Durability::Memory`] leaves it to the operating system. A file cannot be replicated.
    pub durability: Durability,
    /// The number of reading threads; at least 1.
    pub readers: usize,
    /// The most operations that wait for the writer, and as many for the readers; at least 1.
    pub queue: usize,
    /// The time limit of one operation, its wait in the queue included.
    pub timeout: Duration,
    /// The most topics with a message.
    pub max_topics: u64,
    /// The most bytes of the file, in whole pages; unlimited if `None`.
    pub max_bytes: Option<u64>,
}

impl EmbeddedStoreSettings {
    /// The default settings for the file at `path`: `synced`, two
    /// readers, 4096 waiting operations, five seconds for each.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::Synced,
            readers: 2,
            queue: 4096,
            timeout: Duration::from_secs(5),
            max_topics: 10_000,
            max_bytes: None,
        }
    }
}
