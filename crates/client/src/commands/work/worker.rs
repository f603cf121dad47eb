//! The state that the parts of the work share.

use std::cell::RefCell;
use std::collections::BTreeSet;

use posthorn_domain::{ConsumerKey, LeaseDuration};

use super::arguments::WorkArguments;
use crate::api::ApiClient;
use crate::retry::RetryReporter;

/// The parts that the pull, the jobs and the extension of leases share.
pub(super) struct Worker<'a> {
    pub(super) client: ApiClient,
    pub(super) consumer: ConsumerKey,
    pub(super) arguments: &'a WorkArguments,
    pub(super) lease: LeaseDuration,
    pub(super) held: HeldLeases,
    pub(super) reporter: RetryReporter,
}

/// The tokens of the leases that are neither settled nor known to be stale.
#[derive(Debug, Default)]
pub(super) struct HeldLeases(RefCell<BTreeSet<String>>);

impl HeldLeases {
    pub(super) fn insert(&self, lease: &str) {
        self.0.borrow_mut().insert(lease.to_owned());
    }

    pub(super) fn remove(&self, lease: &str) {
        self.0.borrow_mut().remove(lease);
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.0.borrow().iter().cloned().collect()
    }
}
