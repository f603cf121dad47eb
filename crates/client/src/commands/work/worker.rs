//! The state that the parts of the work share.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;

use posthorn_domain::LeaseDuration;

use crate::api::{ApiClient, ConsumerRef};
use crate::retry::RetryReporter;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct WorkRequest {
    /// The consumer.
    pub consumer: ConsumerRef,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// The most commands at once, 1 to 200.
    pub concurrency: usize,
    /// The length of a lease; the consumer's setting if `None`.
    pub lease: Option<LeaseDuration>,
    /// Creates the consumer with the default settings if it does not exist.
    pub create: bool,
    /// Passes the whole message as JSON on standard input instead of its text.
    pub json: bool,
}

/// The parts that the pull, the jobs and the extension of leases share.
pub(super) struct Worker<'a> {
    pub(super) client: &'a ApiClient,
    pub(super) request: &'a WorkRequest,
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
