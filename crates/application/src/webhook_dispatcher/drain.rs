//! The request to end all deliveries, and its completion.

use std::time::Duration;

use crate::watched::Watched;

/// How long giving leases back may take after the limit of a drain.
pub(super) const RELEASE_TIME: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Drain(Watched<DrainState>);

#[derive(Default)]
struct DrainState {
    /// The end of the time for attempts under way, by the monotonic clock.
    limit: Option<Duration>,
    finished: bool,
}

impl Drain {
    pub(super) fn request(&self, limit: Duration) {
        self.0.update(|state| state.limit = Some(limit));
    }

    /// Waits for a request and returns its limit.
    pub(super) async fn requested(&self) -> Duration {
        self.0.wait_for(|state| state.limit).await
    }

    pub(super) fn finish(&self) {
        self.0.update(|state| state.finished = true);
    }

    pub(super) async fn finished(&self) {
        self.0.wait_for(|state| state.finished.then_some(())).await;
    }
}
