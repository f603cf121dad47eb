//! The `Cache` port on `mini-moka`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mini_moka::sync::Cache as Moka;
use posthorn_application::{BackendError, Cache, CachedMessage, Clock};
use posthorn_domain::Timestamp;

use crate::weight::weight;

/// The bytes of an entry besides its key and value, an estimate: the map's slot, the nodes of the
/// queues and the reference counts.
const ENTRY_OVERHEAD: usize = 256;

/// The bounds of a [`MemoryCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCacheSettings {
    /// The most bytes of all entries, about, keys and bookkeeping included. 16 MiB by default.
    pub max_bytes: u64,
}

impl Default for MemoryCacheSettings {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
        }
    }
}

/// A value whose memory a [`MemoryCache`] can estimate.
pub trait Weigh: Clone + Send + Sync + 'static {
    /// The bytes of the value, an estimate.
    fn weigh(&self) -> usize;
}

/// A cache in the memory of this process.
///
/// A full cache evicts by recency and frequency of use (`TinyLFU`,
/// <https://arxiv.org/abs/1512.00727>) and may reject a new entry at once. An expired entry is never
/// returned; its memory is freed when it is replaced or evicted. No operation waits or fails.
pub struct MemoryCache<V> {
    clock: Arc<dyn Clock>,
    max_bytes: u64,
    // The map has one TTL for all entries and a clock of its own, so each value carries its expiry.
    entries: Moka<String, Arc<CachedValue<V>>>,
}

struct CachedValue<V> {
    value: V,
    /// On the scale of [`Clock::monotonic`].
    expires: Duration,
}

impl<V: Weigh> MemoryCache<V> {
    /// An empty cache.
    pub fn new(clock: Arc<dyn Clock>, settings: MemoryCacheSettings) -> Self {
        let entries = Moka::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|key: &String, entry: &Arc<CachedValue<V>>| {
                u32::try_from(entry_weight(key, &entry.value)).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            clock,
            max_bytes: settings.max_bytes,
            entries,
        }
    }

    fn live(&self, key: &String) -> Option<Arc<CachedValue<V>>> {
        let entry = self.entries.get(key);
        entry.filter(|entry| self.clock.monotonic() < entry.expires)
    }
}

#[async_trait]
impl<V: Weigh> Cache<V> for MemoryCache<V> {
    async fn get(&self, key: &str) -> Result<Option<V>, BackendError> {
        Ok(self.live(&key.to_owned()).map(|entry| entry.value.clone()))
    }

    async fn set(&self, key: &str, value: &V, ttl: Duration) -> Result<(), BackendError> {
        let key = key.to_owned();
        // A value larger than the cache never enters the map, which evicts with a delay.
        if ttl.is_zero() || entry_weight(&key, value) > self.max_bytes {
            self.entries.invalidate(&key);
        } else {
            let entry = CachedValue {
                value: value.clone(),
                expires: self.clock.monotonic().saturating_add(ttl),
            };
            self.entries.insert(key, Arc::new(entry));
        }
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<bool, BackendError> {
        let key = key.to_owned();
        let existed = self.live(&key).is_some();
        self.entries.invalidate(&key);
        Ok(existed)
    }

    async fn clear(&self) -> Result<(), BackendError> {
        self.entries.invalidate_all();
        Ok(())
    }
}

fn entry_weight(key: &str, value: &impl Weigh) -> u64 {
    let bytes = key
        .len()
        .saturating_add(value.weigh())
        .saturating_add(ENTRY_OVERHEAD);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Weigh for Vec<u8> {
    fn weigh(&self) -> usize {
        self.len()
    }
}

impl Weigh for Timestamp {
    fn weigh(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weigh for CachedMessage {
    fn weigh(&self) -> usize {
        weight(self.message.parts())
    }
}
