//! The `Cache` port on `mini-moka`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mini_moka::sync::Cache as Moka;
use posthorn_application::{BackendError, Cache, Clock};

/// What an entry takes besides its key and value: the map's slot, the queues' nodes and the
/// reference counts. An estimate.
const ENTRY_OVERHEAD: usize = 256;

/// The bounds of a [`MemoryCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCacheSettings {
    /// About how many bytes the entries take at most, keys and bookkeeping included. 16 MiB by
    /// default.
    pub max_bytes: u64,
}

impl Default for MemoryCacheSettings {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
        }
    }
}

/// A cache in the memory of this process.
///
/// Once it is full, which entries stay is decided by how recently and how often they are used
/// (`TinyLFU`, <https://arxiv.org/abs/1512.00727>); a new one may be turned away at once. An entry
/// that has outlived its TTL is never returned, and gives its room back when it is replaced or
/// evicted. No operation waits or fails.
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    max_bytes: u64,
    // The map's own time-outs are one for all entries and by a clock of its own, so each value
    // has its end beside it.
    entries: Moka<String, Arc<Entry>>,
}

struct Entry {
    value: Box<[u8]>,
    /// On the scale of [`Clock::monotonic`].
    end: Duration,
}

impl MemoryCache {
    /// An empty cache.
    pub fn new(clock: Arc<dyn Clock>, settings: MemoryCacheSettings) -> Self {
        let entries = Moka::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|key: &String, entry: &Arc<Entry>| {
                u32::try_from(weight(key, &entry.value)).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            clock,
            max_bytes: settings.max_bytes,
            entries,
        }
    }

    fn live(&self, key: &String) -> Option<Arc<Entry>> {
        self.entries
            .get(key)
            .filter(|entry| self.clock.monotonic() < entry.end)
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.live(&key.to_owned()).map(|entry| entry.value.to_vec()))
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), BackendError> {
        let key = key.to_owned();
        // What does not fit is not held for a moment either: the map evicts with a delay.
        if ttl.is_zero() || weight(&key, value) > self.max_bytes {
            self.entries.invalidate(&key);
        } else {
            let end = self.clock.monotonic().saturating_add(ttl);
            self.entries.insert(
                key,
                Arc::new(Entry {
                    value: value.into(),
                    end,
                }),
            );
        }
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let key = key.to_owned();
        let held = self.live(&key).is_some();
        self.entries.invalidate(&key);
        Ok(held)
    }

    async fn clear(&self) -> Result<(), BackendError> {
        self.entries.invalidate_all();
        Ok(())
    }
}

fn weight(key: &str, value: &[u8]) -> u64 {
    let bytes = key
        .len()
        .saturating_add(value.len())
        .saturating_add(ENTRY_OVERHEAD);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
