//! The shared Redis of the cache and of quotas.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Breaker, BreakerSettings, DependencyError, DependencyObserver};
use posthorn_redis::{RedisDependency, RedisPool};
use posthorn_telemetry::PoolCounts;

use super::context::Context;
use super::error::AppError;

/// The shared Redis.
pub(super) struct SharedRedis {
    /// Closed when the application stops.
    pub(super) pool: RedisPool,
    /// Guards every use of the pool.
    pub(super) breaker: Arc<Breaker>,
}

/// Checks the Redis of `REDIS_URL` and starts to watch it; `None` if none is configured.
pub(super) async fn connect(context: &mut Context) -> Result<Option<SharedRedis>, AppError> {
    let section = &context.settings.redis;
    let Some(settings) = section.settings() else {
        return Ok(None);
    };
    let names = section.names();
    let unusable = |reason: String| AppError::unusable(&names, settings.masked_url(), reason);
    let pool = RedisPool::new(&settings).map_err(|error| unusable(error.to_string()))?;
    let dependency = RedisDependency::new(pool.clone());
    let observer = Arc::clone(&context.metrics) as Arc<dyn DependencyObserver>;
    let breaker = Arc::new(Breaker::new("redis", BreakerSettings::default(), observer));
    let patience = if section.redis_required {
        section.redis_start_timeout
    } else {
        Duration::ZERO
    };
    let check = dependency.check_at_start(patience, &*context.clock);
    match check.await {
        Ok(()) => {}
        Err(DependencyError(reason)) if section.redis_required => {
            let hint = section.start_hint(&reason, context.settings.store.store_url.redis());
            return Err(unusable(format!("{reason}; {hint}")));
        }
        Err(DependencyError(reason)) => breaker.open(&reason),
    }
    let counted = pool.clone();
    context.metrics.register_pool(Box::new(move || {
        let status = counted.status();
        PoolCounts {
            in_use: status.in_use,
            idle: status.idle,
        }
    }));
    let (watched, clock) = (Arc::clone(&breaker), Arc::clone(&context.clock));
    context.supervisor.run("redis-watch", async move {
        watched.watch(&dependency, &*clock).await;
    });
    Ok(Some(SharedRedis { pool, breaker }))
}
