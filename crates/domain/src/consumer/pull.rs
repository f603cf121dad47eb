//! The limits of pulls and rejections.

use std::time::Duration;

use crate::seconds::{SecondsError, millis};

/// The most messages of one pull: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullLimit(usize);

/// A number is not 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number from 1 to {}", PullLimit::MAX.get())]
pub struct PullLimitError;

/// How long a rejected message waits for its next attempt: 0 to 86,400 seconds, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeliveryDelay(u32);

/// How long a pull waits for a message: 0 to 20 seconds, to the millisecond. 0 by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullWait(u32);

impl PullLimit {
    /// The largest limit.
    pub const MAX: Self = Self(200);

    /// A limit of `limit` messages.
    pub fn parse(limit: u64) -> Result<Self, PullLimitError> {
        match usize::try_from(limit) {
            Ok(limit) if (1..=Self::MAX.0).contains(&limit) => Ok(Self(limit)),
            _ => Err(PullLimitError),
        }
    }

    /// The number of messages.
    pub const fn get(self) -> usize {
        self.0
    }
}

/// 10 messages.
impl Default for PullLimit {
    fn default() -> Self {
        Self(10)
    }
}

impl RedeliveryDelay {
    /// The longest delay, in seconds.
    pub const MAX_SECONDS: u32 = 86_400;

    /// A delay of `seconds`.
    pub fn parse(seconds: f64) -> Result<Self, SecondsError> {
        millis(seconds, 0, Self::MAX_SECONDS).map(Self)
    }

    /// The length.
    pub fn get(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl PullWait {
    /// The longest wait, in seconds.
    pub const MAX_SECONDS: u32 = 20;

    /// A wait of `seconds`.
    pub fn parse(seconds: f64) -> Result<Self, SecondsError> {
        millis(seconds, 0, Self::MAX_SECONDS).map(Self)
    }

    /// The length.
    pub fn get(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(PullLimit::parse(0), Err(PullLimitError));
        assert_eq!(PullLimit::parse(1).map(PullLimit::get), Ok(1));
        assert_eq!(PullLimit::parse(200), Ok(PullLimit::MAX));
        assert_eq!(PullLimit::parse(201), Err(PullLimitError));
        assert_eq!(PullWait::parse(0.0), Ok(PullWait::default()));
        assert_eq!(
            PullWait::parse(20.0).map(PullWait::get),
            Ok(Duration::from_secs(20))
        );
        assert!(PullWait::parse(20.001).is_err());
        assert_eq!(
            RedeliveryDelay::parse(86_400.0).map(RedeliveryDelay::get),
            Ok(Duration::from_hours(24))
        );
        assert!(RedeliveryDelay::parse(86_400.001).is_err());
    }
}
