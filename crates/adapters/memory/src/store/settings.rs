//! The bounds of the memory store.

/// The bounds of a [`MemoryStore`](crate::MemoryStore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryStoreSettings {
    /// The most bytes of the messages of all topics together, an estimate with bookkeeping included.
    /// 64 MiB by default.
    pub max_bytes: usize,
    /// The most topics with a message. 10,000 by default.
    pub max_topics: usize,
    /// The most idempotency keys. Each takes about half a kilobyte, and up to 255 bytes more for a long key. Above it,
    /// a new key removes the oldest one.
    pub max_idempotency_keys: usize,
    /// The most consumers of all topics together. 10,000 by default.
    pub max_consumers: usize,
    /// The most leases and redeliveries of all consumers together; each takes about 400 bytes. At this number
    /// a consumer with [`Self::OWN_ENTRIES`] or more gets redeliveries only.
    pub max_consumer_entries: usize,
    /// The most bytes of dead letters and redriven messages of all consumers together, an estimate
    /// with bookkeeping included. Above it, the consumer that has most of them loses its first dead letters, and counts
    /// them.
    pub max_dead_letter_bytes: usize,
}

impl MemoryStoreSettings {
    /// The leases and redeliveries that each consumer may have, so that none stops another one.
    pub const OWN_ENTRIES: usize = 10;

    /// The bounds of a store with `max_bytes` of messages. Everything else is in proportion: an idempotency key for each
    /// 640 bytes, a lease or redelivery for each 320, and half as many bytes of dead letters.
    pub fn of_bytes(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            max_topics: 10_000,
            max_idempotency_keys: max_bytes / 640,
            max_consumers: 10_000,
            max_consumer_entries: max_bytes / 320,
            max_dead_letter_bytes: max_bytes / 2,
        }
    }
}

impl Default for MemoryStoreSettings {
    fn default() -> Self {
        Self::of_bytes(64 << 20)
    }
}
