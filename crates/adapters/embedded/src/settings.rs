//! Where the file is, how safe it is, and how much may wait.

use std::path::PathBuf;
use std::time::Duration;

use posthorn_domain::Durability;

/// How the store keeps its file.
#[derive(Clone, Debug)]
pub struct EmbeddedStoreSettings {
    /// The database file; its directory is made when it is missing. Beside it live the write-ahead
    /// log (`-wal`, `-shm`) and the lock file (`.lock`). Symbolic links are followed first; a file
    /// with several hard links is refused, because each name would have a log and a lock.
    pub path: PathBuf,
    /// [`Durability::Synced`] waits for `fsync` before a message is acknowledged;
    /// [`Durability::Memory`] leaves that to the operating system. A file cannot be replicated.
    pub durability: Durability,
    /// How many threads read; at least 1.
    pub readers: usize,
    /// How many operations may wait for the writer, and as many for the readers; at least 1.
    pub queue: usize,
    /// The bound on one operation, its wait in the queue included.
    pub timeout: Duration,
    /// The most pages the file may have, for tests of a full disk; no bound when `None`.
    pub max_pages: Option<u32>,
}

impl EmbeddedStoreSettings {
    /// The settings for the file at `path` with every other value at its default: `synced`, two
    /// readers, 4096 waiting operations, five seconds for each.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::Synced,
            readers: 2,
            queue: 4096,
            timeout: Duration::from_secs(5),
            max_pages: None,
        }
    }
}
