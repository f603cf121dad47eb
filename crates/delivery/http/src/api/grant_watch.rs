//! The grant of an open stream or a waiting pull: its token may expire or be revoked meanwhile.

use std::time::Duration;

use posthorn_application::Grant;

use crate::state::AppState;

/// The interval between two checks. A revocation has five seconds to end a stream; a process caches for one second that
/// a token is not revoked.
const INTERVAL: Duration = Duration::from_secs(2);

/// The grant of a stream or a waiting pull, checked at an interval.
pub(super) struct GrantWatch {
    grant: Grant,
    /// The monotonic time of the next check.
    next: Duration,
}

impl GrantWatch {
    pub(super) fn new(grant: Grant, state: &AppState) -> Self {
        let next = state.services.clock.monotonic().saturating_add(INTERVAL);
        Self { grant, next }
    }

    /// True if the request is still permitted. Checks only if a check is due.
    pub(super) async fn is_valid(&mut self, state: &AppState) -> bool {
        let services = &state.services;
        let now = services.clock.monotonic();
        if self.grant.claims().is_none() || now < self.next {
            return true;
        }
        let is_valid = services.access.still_holds(&self.grant).await.is_ok();
        // Only now: a check that is dropped meanwhile is still due.
        self.next = now.saturating_add(INTERVAL);
        is_valid
    }

    /// Waits for `duration`, or until the request is not permitted any more; returns whether it is.
    pub(super) async fn wait(&mut self, duration: Duration, state: &AppState) -> bool {
        let clock = &state.services.clock;
        let end = clock.monotonic().saturating_add(duration);
        loop {
            let now = clock.monotonic();
            if now >= end {
                return true;
            }
            let mut step = end.saturating_sub(now);
            if self.grant.claims().is_some() {
                step = step.min(self.next.saturating_sub(now));
            }
            clock.sleep(step).await;
            if !self.is_valid(state).await {
                return false;
            }
        }
    }
}
