//! A circuit breaker: stops calling an unavailable dependency, and detects when it is available.
//!
//! Source of the pattern: M. Nygard, "Release It!", 2nd edition, chapter 5.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use posthorn_domain::Backoff;

use crate::ports::clock::Clock;
use crate::ports::dependency::{Dependency, DependencyError, DependencyObserver};

/// When the breaker opens, and how it checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// The consecutive transient failures that open it; at least 1.
    pub failure_threshold: u32,
    /// The time between two checks while closed.
    pub watch_interval: Duration,
    /// The first wait between checks while open.
    pub backoff_base: Duration,
    /// The longest wait between checks while open.
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

/// A breaker that was closed for this long checks at once when it opens.
const SETTLED: Duration = Duration::from_secs(30);

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// The dependency is called.
    Closed,
    /// The dependency is not called, only checked.
    Open,
}

/// Guards one dependency. All its users share the breaker, so that the failures of one spare the
/// others. Each change of state is logged and reported to the observer once.
pub struct Breaker {
    name: &'static str,
    settings: BreakerSettings,
    open: AtomicBool,
    failures: AtomicU32,
    observer: Arc<dyn DependencyObserver>,
}

impl Breaker {
    /// A closed breaker for the dependency called `name`; reports to the observer that it is up.
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

    /// Records a successful call. Only a check closes an open breaker.
    pub fn succeeded(&self) {
        // A plain load first: the counter is almost always zero and its cache line stays shared.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Records a transient failure of a call; opens the breaker at the threshold.
    pub fn failed(&self, reason: &dyn std::fmt::Display) {
        let failures = self
            .failures
            .fetch_add(1, Ordering::AcqRel)
            .saturating_add(1);
        if failures >= self.settings.failure_threshold {
            self.open(reason);
        }
    }

    /// Opens the breaker, whatever the number of failures.
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

    /// Checks `dependency` for ever, beside the requests: opens the breaker when a check fails, and
    /// closes it when one succeeds. The binary runs one task for each breaker.
    ///
    /// While the breaker is open, the waits grow from `backoff_base` to `backoff_max` with jitter.
    /// They keep growing if it opens again soon after it closed: the check then succeeds while the
    /// calls fail.
    pub async fn watch(&self, dependency: &dyn Dependency, clock: &dyn Clock) {
        let BreakerSettings {
            watch_interval,
            backoff_base,
            backoff_max,
            ..
        } = self.settings;
        let mut backoff = Backoff::new(backoff_base, backoff_max);
        let mut closed_at = clock.monotonic();
        loop {
            let before = self.state();
            let wait = match before {
                BreakerState::Closed => watch_interval,
                BreakerState::Open => backoff.next_wait(),
            };
            self.wait(wait, clock).await;
            let opened = before == BreakerState::Closed && self.state() == BreakerState::Open;
            let settled = clock.monotonic().saturating_sub(closed_at) >= SETTLED;
            // A breaker that opened again too soon waits before its next check.
            if opened && !settled && backoff.attempts() > 0 {
                continue;
            }
            match dependency.check().await {
                Ok(()) if self.state() == BreakerState::Open => {
                    // Counts as an attempt even without a wait, so that the next opening waits.
                    if backoff.attempts() == 0 {
                        let _ = backoff.next_wait();
                    }
                    closed_at = clock.monotonic();
                    self.close();
                }
                Ok(()) if settled => backoff.reset(),
                Ok(()) => {}
                Err(DependencyError(reason)) => self.open(&reason),
            }
        }
    }

    /// Waits for `duration`, or at most for the first back-off once the state changes: a loss that a
    /// request detects is checked at once, not at the end of a long watch interval.
    async fn wait(&self, duration: Duration, clock: &dyn Clock) {
        let before = self.state();
        let mut rest = duration;
        while !rest.is_zero() && self.state() == before {
            let step = rest.min(self.settings.backoff_base);
            clock.sleep(step).await;
            rest = rest.saturating_sub(step);
        }
    }
}
