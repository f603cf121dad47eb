//! What a person is told while a command goes on trying.

use crate::run::tell;

/// Tells that trying fails, and that it works again, once each.
#[derive(Debug, Default)]
pub(super) struct Notices {
    failing: bool,
}

impl Notices {
    /// A try failed, and there will be another.
    pub(super) fn failed(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tell(&format!("{reason}; trying again"));
        }
    }

    /// A try succeeded.
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.failing) {
            tell("the server answers again");
        }
    }
}
