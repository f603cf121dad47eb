//! The wall clock of this machine, which is also the clock of every store that runs on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub(super) type Millis = u64;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "real servers run on real time")]
pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Blocks the thread: a client that pauses on purpose.
#[expect(clippy::disallowed_methods, reason = "real servers run on real time")]
pub(super) fn pause(millis: Millis) {
    std::thread::sleep(Duration::from_millis(millis));
}
