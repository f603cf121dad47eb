//! Logs panics as events.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// Logs each panic once, as an error, instead of printing it to standard error.
pub(crate) fn install() {
    panic::set_hook(Box::new(log));
}

/// Restores the default hook, which prints panics, as the log is about to end.
pub(crate) fn uninstall() {
    // A panicking thread must not change the hook. The process is ending then.
    if !thread::panicking() {
        drop(panic::take_hook());
    }
}

fn log(info: &PanicHookInfo<'_>) {
    let reason = info.payload_as_str().unwrap_or("a value that is no text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let current = thread::current();
    let thread = current.name().unwrap_or("unnamed");
    // Captured only when `RUST_BACKTRACE` asks for it.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(reason, location, thread, %backtrace, "panicked");
    } else {
        tracing::error!(reason, location, thread, "panicked");
    }
}
