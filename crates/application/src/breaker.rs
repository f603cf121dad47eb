//! A circuit breaker: stops asking a dependency that is away, and finds out when it is back.
//!
//! Source of the pattern: M. Nygard, "Release It!", 2nd edition, chapter 5.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::{Clock, Dependency, DependencyError, DependencyObserver};

/// When the breaker opens and how it probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// How many transient failures in a row open it; at least 1.
    pub failure_threshold: u32,
    /// How often a closed breaker's dependency is looked at.
    pub watch_interval: Duration,
    /// The first wait between probes while open.
    pub backoff_base: Duration,
    /// The longest wait between probes while open.
    pub backoff_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failure_threshold: 3,
            watch_interval: Duration::from_secs(1),
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
        }
    }
}

/// How long a breaker has to stay closed for its next opening to be probed at once.
const SETTLED: Duration = Duration::from_secs(30);

/// Whether the dependency is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// It is asked.
    Closed,
    /// It is not asked; only probes look for it.
    Open,
}

/// Guards one dependency. Shared by all that use it, so that one failure spares the others.
///
/// Each change of state is logged once and told to the observer once.
pub struct Breaker {
    name: &'static str,
    settings: BreakerSettings,
    open: AtomicBool,
    failures: AtomicU32,
    observer: Arc<dyn DependencyObserver>,
}

impl Breaker {
    /// A closed breaker for the dependency called `name`; the observer is told that it is up.
    pub fn new(
        name: &'static str,
        settings: BreakerSettings,
        observer: Arc<dyn DependencyObserver>,
    ) -> Self {
        observer.dependency_changed(name, true);
        Self {
            name,
            settings,
            open: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            observer,
        }
    }

    /// The name of the dependency, as in metrics and logs.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The current state.
    pub fn state(&self) -> BreakerState {
        if self.open.load(Ordering::Acquire) {
            BreakerState::Open
        } else {
            BreakerState::Closed
        }
    }

    /// Notes that the dependency answered a call. It does not close an open breaker: probes do.
    pub fn succeeded(&self) {
        // A plain load first: the counter is almost always zero and its cache line stays shared.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a transient failure of a call; opens the breaker at the threshold.
    pub fn failed(&self, reason: &dyn std::fmt::Display) {
        let failures = self
            .failures
            .fetch_add(1, Ordering::AcqRel)
            .saturating_add(1);
        if failures >= self.settings.failure_threshold {
            self.open(reason);
        }
    }

    /// Opens the breaker now, whatever was counted.
    pub fn open(&self, reason: &dyn std::fmt::Display) {
        if !self.open.swap(true, Ordering::AcqRel) {
            tracing::warn!(dependency = self.name, %reason, "dependency lost, falling back");
            self.observer.dependency_changed(self.name, false);
        }
    }

    fn close(&self) {
        self.failures.store(0, Ordering::Release);
        if self.open.swap(false, Ordering::AcqRel) {
            tracing::info!(dependency = self.name, "dependency is back");
            self.observer.dependency_changed(self.name, true);
        }
    }

    /// Watches `dependency` for ever, off the path of requests: opens the breaker when a look
    /// fails, closes it when a probe succeeds. The binary runs one for each breaker.
    ///
    /// While open the waits grow from `backoff_base` to `backoff_max`, each drawn at random from
    /// the upper half of its range, so that many processes do not probe in step. They go on growing
    /// when the breaker opens again soon after it closed: the probe then finds well what is not.
    pub async fn watch(&self, dependency: &dyn Dependency, clock: &dyn Clock) {
        let mut jitter = Jitter::seeded(clock);
        let mut attempt: u32 = 0;
        let mut closed_at = clock.monotonic();
        loop {
            let was = self.state();
            let wait = match was {
                BreakerState::Closed => self.settings.watch_interval,
                BreakerState::Open => {
                    attempt = attempt.saturating_add(1);
                    jitter.upper_half(self.backoff(attempt))
                }
            };
            self.wait(wait, clock).await;
            let lost = was == BreakerState::Closed && self.state() == BreakerState::Open;
            let settled = clock.monotonic().saturating_sub(closed_at) >= SETTLED;
            if lost && !settled && attempt > 0 {
                continue;
            }
            match dependency.check().await {
                Ok(()) if self.state() == BreakerState::Open => {
                    attempt = attempt.max(1);
                    closed_at = clock.monotonic();
                    self.close();
                }
                Ok(()) if settled => attempt = 0,
                Ok(()) => {}
                Err(DependencyError(reason)) => self.open(&reason),
            }
        }
    }

    /// Waits for `duration`, but no longer than the first back-off once the breaker opens: a loss
    /// that a request noticed is probed at once, not at the end of a long watch interval.
    async fn wait(&self, duration: Duration, clock: &dyn Clock) {
        let was = self.state();
        let mut rest = duration;
        while !rest.is_zero() && self.state() == was {
            let step = rest.min(self.settings.backoff_base);
            clock.sleep(step).await;
            rest = rest.saturating_sub(step);
        }
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
        self.settings
            .backoff_base
            .saturating_mul(factor)
            .min(self.settings.backoff_max)
    }
}

/// A small generator for jitter (`SplitMix64`, G. Steele et al., OOPSLA 2014); not for secrets.
struct Jitter(u64);

impl Jitter {
    fn seeded(clock: &dyn Clock) -> Self {
        let nanos = u64::try_from(clock.monotonic().as_nanos()).unwrap_or(u64::MAX);
        Self(clock.now().as_millis().rotate_left(32) ^ nanos)
    }

    /// A duration between half of `duration` and all of it.
    fn upper_half(&mut self, duration: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let thousandths = u32::try_from(500 + mixed % 501).unwrap_or(1000);
        duration.saturating_mul(thousandths) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_in_the_upper_half() {
        let mut jitter = Jitter(7);
        let drawn: Vec<_> = (0..1000)
            .map(|_| jitter.upper_half(Duration::from_secs(1)))
            .collect();
        assert!(drawn.iter().all(|d| (500..=1000).contains(&d.as_millis())));
        assert!(drawn.iter().any(|d| d.as_millis() < 600));
        assert!(drawn.iter().any(|d| d.as_millis() > 900));
    }
}
