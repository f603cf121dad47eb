//! The request to end all deliveries, and its completion.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;

/// How long giving leases back may take after the limit of a drain.
pub(super) const RELEASE_TIME: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Drain {
    state: Mutex<DrainState>,
    event: Event,
}

#[derive(Clone, Copy, Default)]
struct DrainState {
    /// The end of the time for attempts under way, by the monotonic clock.
    limit: Option<Duration>,
    finished: bool,
}

impl Drain {
    pub(super) fn request(&self, limit: Duration) {
        self.lock().limit = Some(limit);
        self.event.notify(usize::MAX);
    }

    /// Waits for a request and returns its limit.
    pub(super) async fn requested(&self) -> Duration {
        self.wait(|state| state.limit).await
    }

    pub(super) fn finish(&self) {
        self.lock().finished = true;
        self.event.notify(usize::MAX);
    }

    pub(super) async fn finished(&self) {
        self.wait(|state| state.finished.then_some(())).await;
    }

    async fn wait<T>(&self, look: impl Fn(DrainState) -> Option<T>) -> T {
        loop {
            // Listen before the look: a change after the look wakes the listener.
            let listener = self.event.listen();
            let state = *self.lock();
            if let Some(found) = look(state) {
                return found;
            }
            listener.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, DrainState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
