//! A time, to the millisecond.

use std::time::Duration;

/// Milliseconds since the Unix epoch, in UTC.
///
/// Message ids contain 48 bits of it (until the year 10889): larger values become
/// [`Timestamp::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest time in the 48-bit time part of a message id.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// The time `millis` milliseconds after the Unix epoch, at most [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time `duration` later; stops at [`Timestamp::MAX`] instead of overflowing.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The time `duration` earlier; stops at the Unix epoch instead of underflowing.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// The time from `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let moment = Timestamp::from_millis(1_500);
        assert_eq!(
            moment.saturating_sub(Duration::from_secs(2)),
            Timestamp::default()
        );
        assert_eq!(
            moment.saturating_sub(Duration::from_secs(1)).as_millis(),
            500
        );
        assert_eq!(moment.saturating_add(Duration::MAX), Timestamp::MAX);
        let later = Timestamp::from_millis(1_750);
        assert_eq!(later.saturating_since(moment), Duration::from_millis(250));
        assert_eq!(moment.saturating_since(later), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
    }
}
