//! The caches: in memory, or in the shared Redis with the memory as the fallback.

use std::sync::Arc;

use posthorn_application::{Cache, Fallback};
use posthorn_domain::Timestamp;
use posthorn_memory::{MemoryCache, MemoryCacheSettings, Weigh};
use posthorn_redis::RedisCache;
use posthorn_telemetry::InstrumentedCache;

use super::context::Context;
use super::redis::SharedRedis;

/// Builds the cache that all processes share if there is a Redis.
pub(super) fn shared(context: &Context, redis: Option<&SharedRedis>) -> Arc<dyn Cache<Timestamp>> {
    let memory = in_memory(context);
    let Some(SharedRedis { pool, breaker }) = redis else {
        return memory;
    };
    let cache = Arc::new(RedisCache::new(pool.clone()));
    let cache = InstrumentedCache::new(cache, "redis", &context.metrics);
    let cache: Arc<dyn Cache<Timestamp>> = Arc::new(cache);
    Arc::new(Fallback::new(cache, memory, Arc::clone(breaker)))
}

/// Builds a cache that only this process uses.
pub(super) fn in_memory<V: Weigh>(context: &Context) -> Arc<dyn Cache<V>> {
    let cache = MemoryCache::new(Arc::clone(&context.clock), MemoryCacheSettings::default());
    let cache = InstrumentedCache::new(Arc::new(cache), "memory", &context.metrics);
    Arc::new(cache)
}
