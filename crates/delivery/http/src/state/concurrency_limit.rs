//! Limits on things in progress, shared by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of things in progress: requests, streams, or bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConcurrencyLimit(Arc<AtomicUsize>);

/// Some things in progress; dropping it releases them.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: ConcurrencyLimit,
    count: usize,
}

impl ConcurrencyLimit {
    /// A permit for one more, unless `max` are in progress.
    pub(crate) fn acquire(&self, max: usize) -> Option<Permit> {
        let mut permit = self.empty();
        permit.grow(1, max).then_some(permit)
    }

    /// Adds `more` and returns true, unless more than `max` would then be in progress.
    pub(crate) fn add(&self, more: usize, max: usize) -> bool {
        // Not added and removed again: meanwhile others that fit would be rejected.
        let sum = |count: usize| count.checked_add(more).filter(|sum| *sum <= max);
        let update = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, sum);
        update.is_ok()
    }

    /// Removes some that were added.
    pub(crate) fn remove(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::AcqRel);
    }

    /// A permit for nothing yet.
    pub(crate) fn empty(&self) -> Permit {
        Permit {
            limit: self.clone(),
            count: 0,
        }
    }
}

impl Permit {
    /// Adds `more` and returns true, unless more than `max` would then be in progress.
    pub(crate) fn grow(&mut self, more: usize, max: usize) -> bool {
        let fits = self.limit.add(more, max);
        if fits {
            self.count += more;
        }
        fits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limit.remove(self.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_grants_no_more_than_its_maximum_and_is_freed_by_drop() {
        let limit = ConcurrencyLimit::default();
        let permits = (limit.acquire(2).unwrap(), limit.acquire(2).unwrap());
        assert!(limit.acquire(2).is_none());
        drop(permits);
        assert!(limit.acquire(2).is_some());
        let mut permit = limit.empty();
        assert!(permit.grow(2, 5) && !permit.grow(4, 5) && permit.grow(3, 5));
        assert!(limit.acquire(5).is_none());
        drop(permit);
        assert!(limit.acquire(1).is_some());
    }
}
