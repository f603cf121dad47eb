//! The `QuotaCounter` port in the memory of this process.

mod counted;
mod shard;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{Clock, QuotaCounter, QuotaDecision, QuotaError, QuotaKey};
use posthorn_domain::QuotaRule;

use shard::Shard;

/// Keys are spread over this many locks.
const SHARDS: usize = 16;

/// The bounds of a [`MemoryQuotaCounter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryQuotaSettings {
    /// About how many keys are tracked at most: a client has one for each scope that it uses.
    /// 100 000 by default, some 25 MiB.
    pub max_keys: usize,
    /// About how many requests moving windows remember at most, over all keys, at 8 to 32 bytes each.
    /// 4 000 000 by default.
    pub max_remembered: usize,
}

impl Default for MemoryQuotaSettings {
    fn default() -> Self {
        Self {
            max_keys: 100_000,
            max_remembered: 4_000_000,
        }
    }
}

/// Counts in the memory of this process; no operation waits or fails.
///
/// What has ended is forgotten as new keys come, a few at a time. Once a bound is reached a new key
/// takes the place of one of the next eight, the one whose windows end first: it has the least to
/// lose. So a flood of new clients lets others begin anew early, and never lets them be refused.
///
/// Windows follow the wall clock as it was when the counter was made, and from then on the
/// monotonic time: a step of the wall clock neither opens nor prolongs a window.
pub struct MemoryQuotaCounter {
    clock: Arc<dyn Clock>,
    /// What the wall clock showed when the monotonic time was zero.
    origin: Duration,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

impl MemoryQuotaCounter {
    /// A counter that has counted nothing.
    pub fn new(clock: Arc<dyn Clock>, settings: MemoryQuotaSettings) -> Self {
        let now = Duration::from_millis(clock.now().as_millis());
        let origin = now.saturating_sub(clock.monotonic());
        let each = |most: usize| (most / SHARDS).max(1);
        let shard = || {
            Mutex::new(Shard::new(
                each(settings.max_keys),
                each(settings.max_remembered),
            ))
        };
        Self {
            clock,
            origin,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// How many keys are tracked now.
    pub fn tracked(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| locked(shard).len()).sum()
    }

    /// Nanoseconds since the Unix epoch; until the year 2554.
    fn now(&self) -> u64 {
        let now = self.origin.saturating_add(self.clock.monotonic());
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }

    fn decide(&self, key: &QuotaKey, rule: &QuotaRule, counts: bool) -> QuotaDecision {
        let shards = u64::try_from(SHARDS).unwrap_or(u64::MAX);
        let hash = self.hasher.hash_one(key);
        let place = usize::try_from(hash % shards).unwrap_or_default();
        let Some(shard) = self.shards.get(place) else {
            // A remainder is smaller than its divisor, so this is never taken.
            return counted::unused(rule, self.now());
        };
        let mut shard = locked(shard);
        // Read under the lock, so that the times of one key never go back.
        let now = self.now();
        if counts {
            shard.hit(hash, key, rule, now)
        } else {
            shard.peek(hash, key, rule, now)
        }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl QuotaCounter for MemoryQuotaCounter {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, QuotaError> {
        Ok(self.decide(key, rule, true))
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, QuotaError> {
        Ok(self.decide(key, rule, false))
    }
}
