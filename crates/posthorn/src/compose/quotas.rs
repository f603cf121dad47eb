//! Quotas: counted in this process, or in Redis for all processes together.

use std::num::NonZeroU32;
use std::sync::Arc;

use posthorn_application::{
    Breaker, Clock, Fallback, QuotaCounter, RateLimiter, RateLimiterSettings, ReplicaShare,
};
use posthorn_config::QuotaRules;
use posthorn_memory::{MemoryQuotaCounter, MemoryQuotaSettings};
use posthorn_redis::{RedisPool, RedisQuotaCounter};
use posthorn_telemetry::{InstrumentedQuotaCounter, Metrics};

/// Builds the rate limiter, with its counter in memory, or in Redis with the memory as the fallback.
/// While this process counts alone, it allows its share of each limit.
pub(super) fn rate_limiter(
    section: &QuotaRules,
    redis: Option<(&RedisPool, &Arc<Breaker>)>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> RateLimiter {
    let memory = MemoryQuotaCounter::new(Arc::clone(clock), MemoryQuotaSettings::default());
    let memory = InstrumentedQuotaCounter::new(Arc::new(memory), "memory", metrics);
    let memory: Arc<dyn QuotaCounter> = Arc::new(memory);
    let alone = if section.replicas == NonZeroU32::MIN {
        memory
    } else {
        Arc::new(ReplicaShare::new(memory, section.replicas))
    };
    let counter: Arc<dyn QuotaCounter> = match redis {
        None => alone,
        Some((pool, breaker)) => {
            let shared = Arc::new(RedisQuotaCounter::new(pool.clone()));
            let shared = InstrumentedQuotaCounter::new(shared, "redis", metrics);
            let shared: Arc<dyn QuotaCounter> = Arc::new(shared);
            Arc::new(Fallback::new(shared, alone, Arc::clone(breaker)))
        }
    };
    let settings = RateLimiterSettings {
        message: section.message.clone(),
        read: section.read.clone(),
        consume: section.consume.clone(),
        default: section.default.clone(),
        exempt: section.exempt.clone(),
        shared: redis.is_some(),
    };
    RateLimiter::new(counter, settings)
}
