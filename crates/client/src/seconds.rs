//! Durations as the server reads them.

use std::time::Duration;

/// A duration in seconds, to the millisecond; at most 49 days.
pub(crate) fn seconds(duration: Duration) -> f64 {
    let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    // The quotient is the double nearest to the decimal fraction, which the server expects.
    f64::from(millis) / 1000.0
}
