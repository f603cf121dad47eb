//! Where the process is in its life, for probes and for the drain.

use std::sync::atomic::{AtomicU8, Ordering};

/// A phase of the process's life; they only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not ready for traffic yet.
    Starting,
    /// Serving.
    Ready,
    /// Told to stop: serving what comes, asking for no more.
    Draining,
    /// Listeners closed: finishing what is in flight, ending streams.
    Stopping,
}

/// The current phase, shared by everything that must know.
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

    /// Goes forward to `phase`; a step back changes nothing.
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
