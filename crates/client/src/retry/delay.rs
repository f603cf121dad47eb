//! The delay between two tries: doubling, with jitter, bounded.

use std::time::Duration;

use posthorn_domain::Backoff;

const BASE: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);

/// The delays between the tries of one call.
#[derive(Debug)]
pub(super) struct RetryDelay(Backoff);

impl Default for RetryDelay {
    fn default() -> Self {
        Self(Backoff::new(BASE, MAX))
    }
}

impl RetryDelay {
    /// The next delay: a wait of the back-off, added to `requested`, which the server requests of all its clients
    /// alike.
    pub(super) fn next(&mut self, requested: Option<Duration>) -> Duration {
        let wait = self.0.next_wait();
        requested.unwrap_or_default().saturating_add(wait)
    }

    /// Starts over, after a success.
    pub(super) fn reset(&mut self) {
        self.0.reset();
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
