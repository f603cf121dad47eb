//! The bounds of the memory store.

/// The bounds of a [`MemoryStore`](crate::MemoryStore). None of them is ever exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStoreSettings {
    /// The most messages in all topics together. 100,000 by default.
    pub max_messages: usize,
    /// The most bytes of the messages of all topics together, an estimate with bookkeeping included.
    /// 64 MiB by default.
    pub max_bytes: usize,
    /// The most idempotency keys. 100,000 by default; each takes about half a kilobyte, and up to
    /// 255 bytes more for a long key.
    pub max_idempotency_keys: usize,
}

impl Default for MemoryStoreSettings {
    fn default() -> Self {
        Self {
            max_messages: 100_000,
            max_bytes: 64 << 20,
            max_idempotency_keys: 100_000,
        }
    }
}
