//! The phase of the process, for probes and for the drain.

use std::sync::atomic::{AtomicU8, Ordering};

/// A phase of the process. Phases only advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not ready for traffic yet.
    Starting,
    /// Serving.
    Ready,
    /// Asked to stop: still serving, not ready for more traffic.
    Draining,
    /// Listeners closed: finishing requests in flight, ending streams.
    Stopping,
}

/// The shared current phase.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// A process that is starting.
    pub fn new() -> Self {
        Self::default()
    }

    /// The current phase.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            2 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Advances to `phase`; an earlier phase changes nothing.
    pub fn advance(&self, phase: Phase) {
        let number = match phase {
            Phase::Starting => 0,
            Phase::Ready => 1,
            Phase::Draining => 2,
            Phase::Stopping => 3,
        };
        self.0.fetch_max(number, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_go_forward() {
        let lifecycle = Lifecycle::new();
        assert_eq!(lifecycle.phase(), Phase::Starting);
        for phase in [Phase::Ready, Phase::Draining, Phase::Stopping] {
            lifecycle.advance(phase);
            assert_eq!(lifecycle.phase(), phase);
        }
        lifecycle.advance(Phase::Ready);
        assert_eq!(lifecycle.phase(), Phase::Stopping);
    }
}
