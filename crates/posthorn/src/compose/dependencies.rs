//! The cache: in memory, or in a shared Redis where one is configured.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Breaker, BreakerSettings, Cache, CacheDependency, Clock, Dependency, DependencyError,
    DependencyObserver, Fallback, HealthCheck, MessageStore, StoreDependency,
};
use posthorn_config::{RedisSection, RedisUrl, Settings};
use posthorn_domain::Timestamp;
use posthorn_memory::{MemoryCache, MemoryCacheSettings, Weigh};
use posthorn_redis::{RedisCache, RedisDependency, RedisPool, RedisSettings};
use posthorn_telemetry::{InstrumentedCache, Metrics};

use super::error::StartError;
use crate::supervisor::Supervisor;

/// How long the start waits for a required Redis.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(5);
/// The pause between two checks of a required Redis.
pub(super) const START_PAUSE: Duration = Duration::from_millis(200);

/// The cache and its dependency.
pub(super) struct ConnectedCache {
    pub(super) cache: Arc<dyn Cache<Timestamp>>,
    pub(super) breaker: Option<Arc<Breaker>>,
    /// Closed when the application stops.
    pub(super) pool: Option<RedisPool>,
}

/// Builds the cache in memory, or in Redis with the memory as the fallback.
pub(super) async fn connect(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    supervisor: &mut Supervisor,
) -> Result<ConnectedCache, StartError> {
    let memory = memory_cache(clock, metrics);
    let section = &settings.redis;
    let Some(RedisUrl(url)) = &section.redis_url else {
        return Ok(ConnectedCache {
            cache: memory,
            breaker: None,
            pool: None,
        });
    };
    let redis = RedisSettings::new(url.clone());
    let unusable = |reason: String| StartError::Dependency {
        setting: "REDIS_URL",
        target: redis.masked_url(),
        reason,
    };
    let pool = RedisPool::new(&redis).map_err(|error| unusable(error.to_string()))?;
    let dependency = RedisDependency::new(pool.clone());
    let observer = Arc::clone(metrics) as Arc<dyn DependencyObserver>;
    let breaker = Arc::new(Breaker::new("redis", BreakerSettings::default(), observer));
    if let Err(DependencyError(reason)) = check_at_start(section, &dependency, clock).await {
        if section.redis_required {
            return Err(unusable(format!(
                "{reason}; start Redis, correct REDIS_URL, or set REDIS_REQUIRED=false"
            )));
        }
        breaker.open(&reason);
    }
    let pool_status = pool.clone();
    metrics.register_pool(Box::new(move || {
        let status = pool_status.status();
        posthorn_telemetry::PoolCounts {
            in_use: status.in_use,
            idle: status.idle,
        }
    }));
    let primary: Arc<dyn Cache<Timestamp>> = Arc::new(InstrumentedCache::new(
        Arc::new(RedisCache::new(pool.clone())),
        "redis",
        metrics,
    ));
    let watched = Arc::clone(&breaker);
    let watch_clock = Arc::clone(clock);
    supervisor.run("redis-watch", async move {
        watched.watch(&dependency, &*watch_clock).await;
    });
    let cache = Arc::new(Fallback::new(primary, memory, Arc::clone(&breaker)));
    Ok(ConnectedCache {
        cache,
        breaker: Some(breaker),
        pool: Some(pool),
    })
}

/// The dependencies in the health report, under their names on the wire.
pub(super) fn health_checks(
    store: &Arc<dyn MessageStore>,
    shared: &ConnectedCache,
) -> Vec<HealthCheck> {
    let check = |name, required, dependency| HealthCheck {
        name,
        required,
        dependency,
    };
    let cache: Arc<dyn Dependency> = Arc::new(CacheDependency(Arc::clone(&shared.cache)));
    let store = Arc::new(StoreDependency(Arc::clone(store)));
    let redis = shared.breaker.as_ref();
    let redis = redis.map(|breaker| check("redis", false, Arc::clone(breaker) as _));
    let others = [check("cache", false, cache), check("store", true, store)];
    redis.into_iter().chain(others).collect()
}

/// Builds a cache that only this process uses.
pub(super) fn memory_cache<V: Weigh>(
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Arc<dyn Cache<V>> {
    let memory = MemoryCache::new(Arc::clone(clock), MemoryCacheSettings::default());
    Arc::new(InstrumentedCache::new(Arc::new(memory), "memory", metrics))
}

/// Checks Redis: once, or until the deadline if it is required.
async fn check_at_start(
    section: &RedisSection,
    dependency: &dyn Dependency,
    clock: &Arc<dyn Clock>,
) -> Result<(), DependencyError> {
    let deadline = clock.monotonic().saturating_add(START_DEADLINE);
    loop {
        match dependency.check().await {
            Ok(()) => return Ok(()),
            Err(error) if !section.redis_required || clock.monotonic() >= deadline => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(%error, "waiting for Redis");
                clock.sleep(START_PAUSE).await;
            }
        }
    }
}
