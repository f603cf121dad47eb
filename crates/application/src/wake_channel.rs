//! The shared state of all subscribers of one topic or consumer.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use event_listener::Event;

/// Counts changes and wakes the subscribers. A notifier keeps one per key in a map.
#[derive(Debug, Default)]
pub(crate) struct WakeChannel {
    /// The number of changes so far.
    changes: AtomicU64,
    /// True after [`WakeChannel::close`]: nobody waits any longer.
    closed: AtomicBool,
    /// Written under the lock of the notifier's map only.
    subscribers: AtomicUsize,
    event: Event,
}

impl WakeChannel {
    /// Adds a subscriber and returns the number of changes so far. Needs the lock of the map.
    pub(crate) fn enter(&self) -> u64 {
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        self.changes()
    }

    /// The number of changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Removes a subscriber; returns true if it was the last one. Needs the lock of the map, so that
    /// of several subscribers that leave at once, one is the last.
    pub(crate) fn leave(&self) -> bool {
        self.subscribers.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Wakes all subscribers. Not under the lock of the map: there may be thousands.
    pub(crate) fn notify(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.event.notify(usize::MAX);
    }

    /// Wakes all subscribers for good.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.notify();
    }

    /// True after [`WakeChannel::close`].
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns once the number of changes is not `seen`, which it updates. Safe to drop.
    pub(crate) async fn changed(&self, seen: &mut u64) {
        loop {
            // Listen before the look: a change after the look wakes the listener.
            let listener = self.event.listen();
            let changes = self.changes.load(Ordering::Acquire);
            if changes != *seen || self.is_closed() {
                *seen = changes;
                return;
            }
            listener.await;
        }
    }
}
