//! The length of a lease.

use std::time::Duration;

use crate::seconds::{SecondsError, checked_millis, millis};

/// How long a lease holds from its grant or its last extension: 1 to 43,200 seconds, to the
/// millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseDuration(u32);

impl LeaseDuration {
    /// The shortest lease, in seconds.
    pub const MIN_SECONDS: u32 = 1;
    /// The longest lease, in seconds.
    pub const MAX_SECONDS: u32 = 43_200;

    /// A lease of `seconds`.
    pub fn parse(seconds: f64) -> Result<Self, SecondsError> {
        millis(seconds, Self::MIN_SECONDS, Self::MAX_SECONDS).map(Self)
    }

    /// A lease of `millis` milliseconds, as a store kept it.
    pub fn from_millis(millis: u32) -> Result<Self, SecondsError> {
        checked_millis(millis, Self::MIN_SECONDS, Self::MAX_SECONDS).map(Self)
    }

    /// The length, in milliseconds.
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// The length.
    pub fn get(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

/// 30 seconds.
impl Default for LeaseDuration {
    fn default() -> Self {
        Self(30_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_hold_one_second_to_twelve_hours() {
        let error = Err(SecondsError {
            min: 1,
            max: 43_200,
        });
        assert_eq!(LeaseDuration::parse(0.999), error);
        assert_eq!(LeaseDuration::parse(43_200.001), error);
        assert_eq!(
            LeaseDuration::parse(1.5).map(LeaseDuration::as_millis),
            Ok(1_500)
        );
        assert_eq!(LeaseDuration::from_millis(999), error);
        assert_eq!(LeaseDuration::from_millis(43_200_001), error);
        assert_eq!(LeaseDuration::parse(30.0), Ok(LeaseDuration::default()));
    }
}
