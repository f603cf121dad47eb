//! The `QuotaCounter` port in the memory of this process.

mod shard;
mod window_counts;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{BackendError, Clock, QuotaCounter, QuotaDecision, QuotaKey};
use posthorn_domain::QuotaRule;

use shard::Shard;
use window_counts::WindowCounts;

/// The number of shards, each with a lock of its own.
const SHARDS: usize = 16;

/// The bounds of a [`MemoryQuotaCounter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryQuotaSettings {
    /// The most keys, about: a client has one for each scope that it uses. 100,000 by default, some
    /// 25 MiB.
    pub max_keys: usize,
    /// The most requests in the logs of moving windows, about, over all keys, at 8 to 32 bytes each.
    /// 4,000,000 by default.
    pub max_logged: usize,
}

impl Default for MemoryQuotaSettings {
    fn default() -> Self {
        Self {
            max_keys: 100_000,
            max_logged: 4_000_000,
        }
    }
}

/// Counts in the memory of this process; no operation waits or fails.
///
/// Each new key removes a few expired keys. Once a bound is reached, a new key replaces one of the
/// next eight: the key whose windows end first, which has the least to lose. A flood of new clients
/// can only reset the counts of other clients early; it never makes their requests exceed a limit.
///
/// Windows follow the wall clock as of the counter's start plus the monotonic time since: a step of
/// the wall clock neither opens nor extends a window.
pub struct MemoryQuotaCounter {
    clock: Arc<dyn Clock>,
    /// The wall clock's time when the monotonic time was zero.
    origin: Duration,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

impl MemoryQuotaCounter {
    /// A counter without keys.
    pub fn new(clock: Arc<dyn Clock>, settings: MemoryQuotaSettings) -> Self {
        let now = Duration::from_millis(clock.now().as_millis());
        let origin = now.saturating_sub(clock.monotonic());
        let each = |most: usize| (most / SHARDS).max(1);
        let shard = || {
            Mutex::new(Shard::new(
                each(settings.max_keys),
                each(settings.max_logged),
            ))
        };
        Self {
            clock,
            origin,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// The number of keys now.
    pub fn keys(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| locked(shard).len()).sum()
    }

    /// Nanoseconds since the Unix epoch; until the year 2554.
    fn now(&self) -> u64 {
        let now = self.origin.saturating_add(self.clock.monotonic());
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The decision on `count` requests, which are counted; on one without counting if `None`.
    fn decide(&self, key: &QuotaKey, rule: &QuotaRule, count: Option<u32>) -> QuotaDecision {
        let shards = u64::try_from(SHARDS).unwrap_or(u64::MAX);
        let hash = self.hasher.hash_one(key);
        let index = usize::try_from(hash % shards).unwrap_or_default();
        let Some(shard) = self.shards.get(index) else {
            // Unreachable: a remainder is smaller than its divisor.
            return WindowCounts::new(rule).decide(rule, self.now(), count.unwrap_or(1));
        };
        let mut shard = locked(shard);
        // Under the lock, so that the times of one key never go back.
        let now = self.now();
        match count {
            Some(count) => shard.hit(hash, key, rule, now, count),
            None => shard.peek(hash, key, rule, now),
        }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl QuotaCounter for MemoryQuotaCounter {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        Ok(self.decide(key, rule, Some(1)))
    }

    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        Ok(self.decide(key, rule, Some(count)))
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        Ok(self.decide(key, rule, None))
    }
}
