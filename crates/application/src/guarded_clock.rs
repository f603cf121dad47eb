//! A clock for the expiry of stored records: both times of the `Clock` port behind a guard.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use posthorn_domain::Timestamp;

use crate::clock_guard::{ClockGuard, TimeBounds};
use crate::ports::clock::Clock;

/// Reads both times of a [`Clock`] through a [`ClockGuard`].
pub struct GuardedClock {
    clock: Arc<dyn Clock>,
    guard: Mutex<ClockGuard>,
}

impl GuardedClock {
    /// Trusts `seen`, the last time that the store has seen; the time of `clock` if `None`.
    pub fn new(clock: Arc<dyn Clock>, seen: Option<Timestamp>) -> Self {
        let seen = seen.unwrap_or_else(|| clock.now());
        let guard = ClockGuard::new(seen, clock.monotonic());
        Self {
            clock,
            guard: Mutex::new(guard),
        }
    }

    /// The bounds of the time.
    pub fn bounds(&self) -> TimeBounds {
        let wall = self.clock.now();
        TimeBounds::new(wall, self.advance(wall))
    }

    /// The trusted time.
    pub fn trusted(&self) -> Timestamp {
        self.advance(self.clock.now())
    }

    fn advance(&self, wall: Timestamp) -> Timestamp {
        let monotonic = self.clock.monotonic();
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        guard.advance(wall, monotonic)
    }
}

impl fmt::Debug for GuardedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedClock").finish_non_exhaustive()
    }
}
