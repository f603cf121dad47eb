//! Fail-overs of replicated stores, in a random order.

use std::net::SocketAddr;

use super::history::Crash;
use super::random::Random;
use super::wall_clock::{Millis, now};
use crate::process::poll;

/// How long a server may use a demoted primary, whose grants are lost, in milliseconds.
pub(super) const STALENESS: Millis = 1_000;

/// A store whose primary can be replaced.
pub(super) trait FailOver {
    /// Promotes a replica while the primary runs.
    fn planned(&mut self) -> Result<Crash, String>;

    /// Kills the primary, waits until a replica is promoted, and starts the old primary again.
    fn forced(&mut self) -> Result<Crash, String>;

    /// Polls until `is_true`; the error names `what` is not so after a minute.
    fn wait_for(&self, what: &str, is_true: impl Fn(&Self) -> bool) -> Result<(), String> {
        if poll(|| is_true(self)) {
            Ok(())
        } else {
            Err(format!("{what}: not within a minute"))
        }
    }
}

/// A primary, as all who watch over it name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PrimaryEpoch {
    pub(super) address: SocketAddr,
    /// The number of the fail-over that promoted it.
    pub(super) epoch: u64,
}

/// The primary after the last fail-over, and when it was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenPrimary {
    primary: PrimaryEpoch,
    seen: Millis,
}

impl SeenPrimary {
    pub(super) fn new(primary: PrimaryEpoch) -> Self {
        let seen = now();
        Self { primary, seen }
    }

    /// Remembers the primary after `old`, which was one until `before` at least, and returns the time in which writes
    /// may have been lost.
    pub(super) fn replace(
        &mut self,
        new: PrimaryEpoch,
        old: PrimaryEpoch,
        before: Millis,
    ) -> Crash {
        // A failure that is seen where there is none replaces the primary between two strikes, too.
        let before = if self.primary == old {
            before
        } else {
            self.seen
        };
        *self = Self::new(new);
        Crash {
            before,
            after: self.seen + STALENESS,
        }
    }
}

/// How many fail-overs of each kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FailOvers {
    pub(super) planned: u64,
    pub(super) forced: u64,
}

impl FailOvers {
    /// The number of both kinds.
    pub(super) const fn count(self) -> u64 {
        self.planned.saturating_add(self.forced)
    }

    /// Strikes `store` with one of the fail-overs that are left.
    pub(super) fn strike(
        &mut self,
        store: &mut impl FailOver,
        random: &mut Random,
    ) -> Result<(&'static str, Vec<Crash>), String> {
        if random.below(self.count().max(1)) < self.planned {
            self.planned -= 1;
            Ok(("planned fail-over", vec![store.planned()?]))
        } else {
            self.forced = self.forced.saturating_sub(1);
            Ok(("primary killed", vec![store.forced()?]))
        }
    }
}
