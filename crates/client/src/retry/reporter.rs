//! What a command prints while it retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::console::print_error;

/// Prints the first failure of a series, and the success that ends the series. A clone belongs to
/// the same series.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryReporter {
    is_failing: Arc<AtomicBool>,
}

impl RetryReporter {
    /// A try failed and will be repeated.
    pub(super) fn failed(&self, reason: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            print_error(&format!("{reason}; trying again"));
        }
    }

    /// A try succeeded.
    pub(super) fn succeeded(&self) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            print_error("the server responds again");
        }
    }
}
