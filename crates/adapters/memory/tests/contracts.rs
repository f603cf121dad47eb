//! The store and the cache keep the contracts of their ports.

#![allow(missing_docs, reason = "tests")]

use std::sync::Arc;

use posthorn_application::{Cache, MessageStore};
use posthorn_memory::{MemoryCache, MemoryCacheSettings, MemoryStore, MemoryStoreSettings};
use posthorn_testkit::{
    CacheHarness, FakeClock, StoreHarness, cache_contract_tests, store_clock_tests,
    store_contract_tests, store_model_tests,
};

struct Harness {
    clock: Arc<FakeClock>,
    store: Arc<MemoryStore>,
    cache: Arc<MemoryCache>,
}

impl Harness {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryStoreSettings::default());
        let cache = MemoryCache::new(clock.clone(), MemoryCacheSettings::default());
        Self {
            clock,
            store: Arc::new(store),
            cache: Arc::new(cache),
        }
    }
}

impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn MessageStore> {
        self.store.clone()
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

impl CacheHarness for Harness {
    fn cache(&self) -> Arc<dyn Cache> {
        self.cache.clone()
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

store_contract_tests!(Harness::new());
store_clock_tests!(Harness::new());
store_model_tests!(cases = 512, Harness::new());
cache_contract_tests!(Harness::new());
