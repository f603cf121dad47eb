//! Whether a stream may go on: its token may end or be revoked while it is open.

use std::time::Duration;

use posthorn_application::Grant;

use crate::state::State;

/// How often that is looked at; together with what processes may not know yet of a revocation it
/// stays below the five seconds in which one is honoured.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a stream was granted, and when to look again.
pub(super) struct Permit {
    grant: Grant,
    /// On the scale of the clock's monotonic time.
    next: Duration,
}

impl Permit {
    pub(super) fn new(grant: Grant, state: &State) -> Self {
        let next = state.services.clock.monotonic().saturating_add(INTERVAL);
        Self { grant, next }
    }

    /// Whether the stream may go on. It looks when it is time to, and otherwise answers yes.
    pub(super) async fn holds(&mut self, state: &State) -> bool {
        let services = &state.services;
        let now = services.clock.monotonic();
        if self.grant.claims().is_none() || now < self.next {
            return true;
        }
        self.next = now.saturating_add(INTERVAL);
        services.access.still_holds(&self.grant).await.is_ok()
    }

    /// Waits for `duration`, or until the stream may not go on any more; says whether it may.
    pub(super) async fn wait(&mut self, duration: Duration, state: &State) -> bool {
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
            if !self.holds(state).await {
                return false;
            }
        }
    }
}
