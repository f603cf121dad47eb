//! The lines of the checks.

use std::fmt::Display;

/// The lines of the checks so far.
#[derive(Default)]
pub(super) struct DoctorReport {
    pub(super) lines: String,
    /// True once a check has failed.
    pub(super) has_failed: bool,
}

impl DoctorReport {
    pub(super) fn ok(&mut self, subject: &str, text: impl Display) {
        self.line("ok", subject, &text);
    }

    pub(super) fn warn(&mut self, subject: &str, text: impl Display) {
        self.line("warn", subject, &text);
    }

    pub(super) fn fail(&mut self, subject: &str, text: impl Display) {
        self.has_failed = true;
        self.line("fail", subject, &text);
    }

    fn line(&mut self, outcome: &str, subject: &str, text: &dyn Display) {
        self.lines
            .push_str(&format!("{outcome:<5} {subject:<13} {text}\n"));
    }
}
