//! What a command prints while it retries.

use crate::console::print_error;

/// Prints the first failure of a series, and the success that ends the series.
#[derive(Debug, Default)]
pub(super) struct RetryReporter {
    is_failing: bool,
}

impl RetryReporter {
    /// A try failed and will be repeated.
    pub(super) fn failed(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            print_error(&format!("{reason}; trying again"));
        }
    }

    /// A try succeeded.
    pub(super) fn succeeded(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            print_error("the server responds again");
        }
    }
}
