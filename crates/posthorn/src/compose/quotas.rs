//! Quotas: counted in this process, or in Redis for all processes together.

use std::num::NonZeroU32;
use std::sync::Arc;

use posthorn_application::{
    Fallback, QuotaCounter, RateLimiter, RateLimiterSettings, ReplicaShare,
};
use posthorn_memory::{MemoryQuotaCounter, MemoryQuotaSettings};
use posthorn_redis::RedisQuotaCounter;
use posthorn_telemetry::InstrumentedQuotaCounter;

use super::context::Context;
use super::redis::SharedRedis;

/// Builds the rate limiter, unless it is switched off, with its counter in memory, or in Redis with the
/// memory as the fallback. While this process counts alone, it allows its share of each limit.
pub(super) fn rate_limiter(
    context: &Context,
    redis: Option<&SharedRedis>,
) -> Option<Arc<RateLimiter>> {
    let rules = context.settings.quotas.as_ref()?;
    let instrumented = |counter, name| -> Arc<dyn QuotaCounter> {
        let metrics = &context.metrics;
        Arc::new(InstrumentedQuotaCounter::new(counter, name, metrics))
    };
    let memory = MemoryQuotaSettings::default();
    let memory = MemoryQuotaCounter::new(Arc::clone(&context.clock), memory);
    let memory = instrumented(Arc::new(memory), "memory");
    let alone = if rules.replicas == NonZeroU32::MIN {
        memory
    } else {
        Arc::new(ReplicaShare::new(memory, rules.replicas))
    };
    let counter = match redis {
        None => alone,
        Some(SharedRedis { pool, breaker }) => {
            let shared = Arc::new(RedisQuotaCounter::new(pool.clone()));
            let shared = instrumented(shared, "redis");
            Arc::new(Fallback::new(shared, alone, Arc::clone(breaker)))
        }
    };
    let settings = RateLimiterSettings {
        shared: redis.is_some(),
        ..rules.limits.clone()
    };
    Some(Arc::new(RateLimiter::new(counter, settings)))
}
