//! Fail-overs of replicated stores, in a random order.

use super::history::Crash;
use super::random::Random;
use crate::process::poll;

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
