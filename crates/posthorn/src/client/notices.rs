//! What a person is told while a command goes on trying.

/// Tells that trying fails, and that it works again, once each.
#[derive(Debug, Default)]
pub(super) struct Notices {
    failing: bool,
}

impl Notices {
    /// A try failed, and there will be another.
    #[expect(clippy::print_stderr, reason = "standard output is for messages alone")]
    pub(super) fn failed(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            eprintln!("posthorn: {reason}; trying again");
        }
    }

    /// A try succeeded.
    #[expect(clippy::print_stderr, reason = "standard output is for messages alone")]
    pub(super) fn answered(&mut self) {
        if std::mem::take(&mut self.failing) {
            eprintln!("posthorn: the server answers again");
        }
    }
}
