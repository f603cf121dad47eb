//! The delay between two tries: doubling, with jitter, bounded.

use std::time::Duration;

use rand::RngExt;

const BASE: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);

/// The delays between the tries of one call.
#[derive(Debug, Default)]
pub(super) struct RetryDelay {
    tries: u32,
}

impl RetryDelay {
    /// The next delay: between half and all of a bound that doubles with each try, added to
    /// `requested`, which the server requests of all its clients alike.
    ///
    /// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    pub(super) fn next(&mut self, requested: Option<Duration>) -> Duration {
        let bound = BASE
            .saturating_mul(2_u32.saturating_pow(self.tries.min(16)))
            .min(MAX);
        self.tries = self.tries.saturating_add(1);
        let jittered = bound.mul_f64(rand::rng().random_range(0.5..=1.0));
        requested.unwrap_or_default().saturating_add(jittered)
    }

    /// Starts over, after a success.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_within_their_bounds_and_honour_the_server() {
        let mut delay = RetryDelay::default();
        for tries in 0..10_u32 {
            let bound = BASE.saturating_mul(2_u32.pow(tries)).min(MAX);
            let next = delay.next(None);
            assert!(next >= bound / 2 && next <= bound, "{next:?} of {bound:?}");
        }
        let requested = Duration::from_mins(1);
        assert!(delay.next(Some(requested)) >= requested + MAX / 2);
        delay.reset();
        assert!(delay.next(None) <= BASE);
    }
}
