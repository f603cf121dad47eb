//! The bounds of the memory store.

/// The bounds of a [`MemoryStore`](crate::MemoryStore). None of them is ever exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStoreSettings {
    /// The most messages in all topics together. 100,000 by default.
    pub max_messages: usize,
    /// The most bytes of the messages of all topics together, an estimate with bookkeeping included.
    /// 64 MiB by default.
    pub max_bytes: usize,
    /// The most topics with a message. 10,000 by default.
    pub max_topics: usize,
    /// The most idempotency keys. 100,000 by default; each takes about half a kilobyte, and up to
    /// 255 bytes more for a long key.
    pub max_idempotency_keys: usize,
    /// The most consumers of all topics together. 10,000 by default.
    pub max_consumers: usize,
    /// The most leases and redeliveries of all consumers together. 200,000 by default; each takes
    /// about 400 bytes. At this number a pull hands out redeliveries only.
    pub max_consumer_entries: usize,
    /// The most bytes of dead letters and redriven messages of all consumers together, an estimate
    /// with bookkeeping included. 32 MiB by default. Above it, a new dead letter removes the first
    /// ones of its consumer, which counts them.
    pub max_dead_letter_bytes: usize,
}

impl Default for MemoryStoreSettings {
    fn default() -> Self {
        Self {
            max_messages: 100_000,
            max_bytes: 64 << 20,
            max_topics: 10_000,
            max_idempotency_keys: 100_000,
            max_consumers: 10_000,
            max_consumer_entries: 200_000,
            max_dead_letter_bytes: 32 << 20,
        }
    }
}
