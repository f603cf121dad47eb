//! A value under a lock, with tasks that wait for its changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::Event;

/// A value that tasks wait for.
#[derive(Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Event,
}

impl<T> Watched<T> {
    /// Changes the value, then wakes all tasks that wait. Returns what `change` does.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify(usize::MAX);
        result
    }

    /// Waits until `find` returns something. It is called at once and after each update, and may take what it finds out
    /// of the value; that wakes nobody. Safe to drop.
    pub(crate) async fn wait_for<R>(&self, mut find: impl FnMut(&mut T) -> Option<R>) -> R {
        loop {
            // Listen before the look: a change after the look wakes the listener.
            let listener = self.changed.listen();
            let found = find(&mut self.lock());
            if let Some(found) = found {
                return found;
            }
            listener.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // The changes are a few assignments, which do not panic.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
