//! The store, the cache and the quota counter keep the contracts of their ports.

#![allow(missing_docs, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::{
    Cache, ConsumerStore, MessageStore, QuotaCounter, RevocationList, WebhookStore,
};
use posthorn_memory::{
    CachedRevocationList, MemoryCache, MemoryCacheSettings, MemoryQuotaCounter,
    MemoryQuotaSettings, MemoryRevocationList, MemoryStore, MemoryStoreSettings,
};
use posthorn_testkit::{
    CacheHarness, ConsumerHarness, FakeClock, QuotaHarness, RevocationListHarness, StoreHarness,
    WebhookHarness, cache_contract_tests, consumer_clock_tests, consumer_contract_tests,
    consumer_model_tests, quota_clock_tests, quota_contract_tests, revocation_list_contract_tests,
    store_clock_tests, store_contract_tests, store_model_tests, webhook_contract_tests,
};

struct Harness {
    clock: Arc<FakeClock>,
    store: Arc<MemoryStore>,
    cache: Arc<MemoryCache<Vec<u8>>>,
    quotas: Arc<MemoryQuotaCounter>,
}

impl Harness {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::new());
        let store = MemoryStore::new(clock.clone(), MemoryStoreSettings::default());
        let cache = MemoryCache::new(clock.clone(), MemoryCacheSettings::default());
        let quotas = MemoryQuotaCounter::new(clock.clone(), MemoryQuotaSettings::default());
        Self {
            quotas: Arc::new(quotas),
            clock,
            store: Arc::new(store),
            cache: Arc::new(cache),
        }
    }
}

#[async_trait]
impl StoreHarness for Harness {
    fn store(&self) -> Arc<dyn MessageStore> {
        self.store.clone()
    }

    async fn lose(&mut self) -> bool {
        let clock = Arc::clone(&self.clock);
        self.store = Arc::new(MemoryStore::new(clock, MemoryStoreSettings::default()));
        true
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

impl ConsumerHarness for Harness {
    fn consumers(&self) -> Arc<dyn ConsumerStore> {
        self.store.clone()
    }
}

impl WebhookHarness for Harness {
    fn webhooks(&self) -> Arc<dyn WebhookStore> {
        self.store.clone()
    }
}

impl CacheHarness for Harness {
    fn cache(&self) -> Arc<dyn Cache<Vec<u8>>> {
        self.cache.clone()
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

impl QuotaHarness for Harness {
    fn counter(&self) -> Arc<dyn QuotaCounter> {
        self.quotas.clone()
    }

    fn clock(&self) -> Option<&FakeClock> {
        Some(&self.clock)
    }
}

store_contract_tests!(Harness::new());
store_clock_tests!(Harness::new());
store_model_tests!(cases = 512, Harness::new());
consumer_model_tests!(cases = 512, Harness::new());
cache_contract_tests!(Harness::new());
quota_contract_tests!(Harness::new());
quota_clock_tests!(cases = 512, Harness::new());

struct Revocations {
    clock: Arc<FakeClock>,
    list: Arc<dyn RevocationList>,
}

impl Revocations {
    fn in_memory() -> Self {
        let clock = Arc::new(FakeClock::new());
        let list = Arc::new(MemoryRevocationList::new(clock.clone()));
        Self { clock, list }
    }

    fn cached() -> Self {
        let Self { clock, list } = Self::in_memory();
        let list = Arc::new(CachedRevocationList::new(list, clock.clone()));
        Self { clock, list }
    }
}

impl RevocationListHarness for Revocations {
    fn revocation_list(&self) -> Arc<dyn RevocationList> {
        self.list.clone()
    }

    fn clock(&self) -> &FakeClock {
        &self.clock
    }
}

mod revocations_in_memory {
    use super::*;

    revocation_list_contract_tests!(Revocations::in_memory());
}

mod cached_revocations {
    use super::*;

    revocation_list_contract_tests!(Revocations::cached());
}

mod consumers {
    use super::*;

    consumer_contract_tests!(Harness::new());
    consumer_clock_tests!(Harness::new());
}

mod webhooks {
    use super::*;

    webhook_contract_tests!(Harness::new());
}
