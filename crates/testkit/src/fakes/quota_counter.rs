//! A quota counter that counts by definition, and fails on request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    BackendError, Clock, QuotaCounter, QuotaDecision, QuotaKey, QuotaWindow,
};
use posthorn_domain::{Quota, QuotaRule, QuotaStrategy};

use super::script::Script;
use crate::fake_clock::FakeClock;

/// A `QuotaCounter` that logs every request, and fails on request.
#[derive(Debug, Default)]
pub struct FakeQuotaCounter {
    clock: Arc<FakeClock>,
    script: Script<BackendError>,
    shared: bool,
    /// The times of the allowed requests of a key, since the Unix epoch; oldest first.
    allowed: Mutex<HashMap<(QuotaKey, QuotaStrategy), Vec<Duration>>>,
    /// The concurrent calls of `peek`: now, and the most so far.
    looks: AtomicUsize,
    most_looks: AtomicUsize,
}

impl FakeQuotaCounter {
    /// A counter by `clock` that reports whether it is `shared`.
    pub fn new(clock: Arc<FakeClock>, shared: bool) -> Self {
        Self {
            clock,
            shared,
            ..Self::default()
        }
    }

    /// Lets the next `count` calls fail with `error`; `usize::MAX` for all, 0 for none.
    pub fn fail_next(&self, count: usize, error: BackendError) {
        self.script.fail_next(count, error);
    }

    /// The most concurrent calls of `peek` so far.
    pub fn most_looks_at_once(&self) -> usize {
        self.most_looks.load(Ordering::SeqCst)
    }

    fn decide(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: Option<u32>,
    ) -> Result<QuotaDecision, BackendError> {
        self.script.play()?;
        let start = Duration::from_millis(FakeClock::START.as_millis());
        let now = start + self.clock.monotonic();
        let mut all = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.entry((key.clone(), rule.strategy())).or_default();
        let windows = |times: &[Duration]| -> Vec<_> {
            let window = |quota: &Quota| window(*quota, rule.strategy(), times, now);
            rule.limits().iter().map(window).collect()
        };
        let least = count.unwrap_or(1);
        let allowed = windows(times)
            .iter()
            .all(|window| window.remaining() >= least);
        if allowed {
            times.extend((0..count.unwrap_or(0)).map(|_| now));
        }
        Ok(QuotaDecision {
            allowed,
            windows: windows(times),
            shared: self.shared,
        })
    }
}

fn window(quota: Quota, strategy: QuotaStrategy, times: &[Duration], now: Duration) -> QuotaWindow {
    let length = quota.window();
    let number = |time: Duration| time.as_nanos() / length.as_nanos();
    let within: Vec<_> = times
        .iter()
        .filter(|time| match strategy {
            QuotaStrategy::FixedWindow => number(**time) == number(now),
            QuotaStrategy::MovingWindow => **time + length > now,
        })
        .collect();
    let reset = match strategy {
        QuotaStrategy::FixedWindow => {
            let passed = now.as_nanos() % length.as_nanos();
            length.saturating_sub(Duration::from_nanos(u64::try_from(passed).unwrap()))
        }
        QuotaStrategy::MovingWindow => {
            let leaves = within
                .len()
                .saturating_sub(usize::try_from(quota.count()).unwrap());
            within
                .get(leaves)
                .map_or(Duration::ZERO, |time| (**time + length).saturating_sub(now))
        }
    };
    QuotaWindow {
        quota,
        used: u32::try_from(within.len()).unwrap(),
        reset,
    }
}

#[async_trait]
impl QuotaCounter for FakeQuotaCounter {
    async fn hit(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        self.decide(key, rule, Some(1))
    }

    async fn hit_many(
        &self,
        key: &QuotaKey,
        rule: &QuotaRule,
        count: u32,
    ) -> Result<QuotaDecision, BackendError> {
        self.decide(key, rule, Some(count))
    }

    async fn peek(&self, key: &QuotaKey, rule: &QuotaRule) -> Result<QuotaDecision, BackendError> {
        let looks = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_looks.fetch_max(looks, Ordering::SeqCst);
        // Lets other calls start before this one ends.
        tokio::task::yield_now().await;
        self.looks.fetch_sub(1, Ordering::SeqCst);
        self.decide(key, rule, None)
    }
}
