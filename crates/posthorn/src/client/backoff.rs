//! Waits between tries: doubling, with jitter, within bounds.

use std::time::Duration;

use rand::RngExt;

const BASE: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);

/// The waits between the tries of one request.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait: a random part of a bound that doubles each time, on top of `asked`, what the
    /// server asked for: it asks all of its clients for the same.
    ///
    /// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let bound = BASE
            .saturating_mul(2_u32.saturating_pow(self.tries.min(16)))
            .min(MAX);
        self.tries = self.tries.saturating_add(1);
        let jittered = bound.mul_f64(rand::rng().random_range(0.5..=1.0));
        asked.unwrap_or_default().saturating_add(jittered)
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
    fn waits_grow_within_their_bounds_and_honour_the_server() {
        let mut backoff = Backoff::default();
        for tries in 0..10_u32 {
            let bound = BASE.saturating_mul(2_u32.pow(tries)).min(MAX);
            let wait = backoff.next(None);
            assert!(wait >= bound / 2 && wait <= bound, "{wait:?} of {bound:?}");
        }
        let asked = Duration::from_mins(1);
        assert!(backoff.next(Some(asked)) >= asked + MAX / 2);
        backoff.reset();
        assert!(backoff.next(None) <= BASE);
    }
}
