//! A clock under the control of the test.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::Clock;
use posthorn_domain::Timestamp;
use tokio::sync::watch;

/// The time limit of [`FakeClock::wait_for_sleepers`], in real time.
const PATIENCE: Duration = Duration::from_mins(1);

/// A clock that advances only when the test advances it.
///
/// The wall clock starts at [`FakeClock::START`], the monotonic time at zero.
#[derive(Debug)]
pub struct FakeClock {
    now: Mutex<Timestamp>,
    monotonic: watch::Sender<Duration>,
    sleepers: watch::Sender<usize>,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeClock {
    /// The initial time of the wall clock: 23 November 2026, 00:00:00 UTC.
    pub const START: Timestamp = Timestamp::from_millis(1_795_392_000_000);

    /// A clock at [`FakeClock::START`].
    pub fn new() -> Self {
        Self {
            now: Mutex::new(Self::START),
            monotonic: watch::Sender::new(Duration::ZERO),
            sleepers: watch::Sender::new(0),
        }
    }

    /// Advances both times and wakes the sleepers that are due.
    pub fn advance(&self, duration: Duration) {
        {
            let mut now = self.wall();
            *now = now.saturating_add(duration);
        }
        self.advance_monotonic(duration);
    }

    /// Advances the monotonic time only and wakes the sleepers that are due.
    pub fn advance_monotonic(&self, duration: Duration) {
        self.monotonic
            .send_modify(|monotonic| *monotonic = monotonic.saturating_add(duration));
    }

    /// Advances the monotonic time only, by nanoseconds.
    pub fn advance_nanos(&self, nanos: u64) {
        self.advance_monotonic(Duration::from_nanos(nanos));
    }

    /// Sets the wall clock only, in either direction, as an operator or NTP would.
    pub fn set_now(&self, now: Timestamp) {
        *self.wall() = now;
    }

    /// The number of waiting calls of `sleep`.
    pub fn sleepers(&self) -> usize {
        *self.sleepers.borrow()
    }

    /// Waits until at least `count` calls of `sleep` wait.
    ///
    /// # Panics
    /// If there are not that many within ten seconds of real time.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut sleepers = self.sleepers.subscribe();
        let enough = sleepers.wait_for(|sleeping| *sleeping >= count);
        let outcome = tokio::time::timeout(PATIENCE, enough).await;
        assert!(
            outcome.is_ok(),
            "{} sleepers, not {count}, in {PATIENCE:?}",
            self.sleepers()
        );
    }

    fn wall(&self) -> MutexGuard<'_, Timestamp> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.wall()
    }

    fn monotonic(&self) -> Duration {
        *self.monotonic.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let mut monotonic = self.monotonic.subscribe();
        let end = self.monotonic().saturating_add(duration);
        let _sleeper = Sleeper::enter(&self.sleepers);
        // The sender lives as long as `self`, so the wait ends only when the time is due.
        let _ = monotonic.wait_for(|now| *now >= end).await;
    }
}

/// Counts one call of `sleep` while it waits; dropping the call ends that.
struct Sleeper<'a>(&'a watch::Sender<usize>);

impl<'a> Sleeper<'a> {
    fn enter(sleepers: &'a watch::Sender<usize>) -> Self {
        sleepers.send_modify(|count| *count += 1);
        Self(sleepers)
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = Arc::new(FakeClock::new());
        let sleeping = {
            let clock = Arc::clone(&clock);
            tokio::spawn(async move { clock.sleep(Duration::from_mins(1)).await })
        };
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_millis(59_999));
        tokio::task::yield_now().await;
        assert!(!sleeping.is_finished());
        clock.advance(Duration::from_millis(1));
        sleeping.await.unwrap();
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_dropped_sleep_is_no_sleeper_any_more() {
        let clock = FakeClock::new();
        let sleep = clock.sleep(Duration::from_secs(1));
        tokio::select! {
            biased;
            () = sleep => panic!("nobody moved the clock"),
            () = clock.wait_for_sleepers(1) => {}
        }
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn the_wall_clock_jumps_back_and_the_monotonic_time_does_not() {
        let clock = FakeClock::new();
        clock.advance(Duration::from_secs(5));
        assert_eq!(
            clock.now(),
            FakeClock::START.saturating_add(Duration::from_secs(5))
        );
        clock.set_now(Timestamp::default());
        assert_eq!(clock.now(), Timestamp::default());
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }
}
