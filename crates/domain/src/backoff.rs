//! Exponential back-off with jitter.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The waits between the attempts of one operation.
///
/// The bound starts at `base` and doubles with each attempt up to `max`. Each wait is a random part
/// of the upper half of its bound, so that many callers do not retry in step.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits from about `base` to `max`.
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            attempts: 0,
        }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.attempts.min(16));
        let bound = self.base.saturating_mul(factor).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        // Each `RandomState` has keys of its own: random enough for jitter, never for secrets.
        let random = RandomState::new().hash_one(self.attempts);
        let thousandths = u32::try_from(500 + random % 501).unwrap_or(1000);
        bound.saturating_mul(thousandths) / 1000
    }

    /// The number of waits since the start or the last reset.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts again at `base`, after a success.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn bounds_double_up_to_the_longest() {
        let mut backoff = Backoff::new(BASE, MAX);
        for attempt in 0..10 {
            let bound = BASE.saturating_mul(2_u32.pow(attempt)).min(MAX);
            let wait = backoff.next_wait();
            assert!(wait >= bound / 2 && wait <= bound, "{wait:?} of {bound:?}");
        }
        assert_eq!(backoff.attempts(), 10);
        backoff.reset();
        assert!(backoff.next_wait() <= BASE);
    }

    #[test]
    fn waits_fill_the_upper_half_of_their_bound() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second);
        let drawn: Vec<_> = (0..1000).map(|_| backoff.next_wait().as_millis()).collect();
        assert!(drawn.iter().all(|wait| (500..=1000).contains(wait)));
        assert!(drawn.iter().any(|wait| *wait < 600));
        assert!(drawn.iter().any(|wait| *wait > 900));
    }
}
