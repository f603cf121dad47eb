//! The limits of a webhook's attempts: their time, their number at once, their rate.

use std::time::Duration;

use crate::seconds::{SecondsError, checked_millis, millis};

/// How long an attempt may take, from the look-up of the host to the end of the response: 1 to 60
/// seconds, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptTimeout(u32);

/// The most attempts of a webhook at one moment, over all processes: 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryConcurrency(u16);

/// A number is not 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number from 1 to {}", DeliveryConcurrency::MAX.get())]
pub struct DeliveryConcurrencyError;

/// The most attempts of a webhook in a second, in one process: 0.001 to 10,000, with at most three
/// decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryRate(u32);

/// A number is not 0.001 to 10,000 with at most three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a number from 0.001 to {} with at most three decimals",
    DeliveryRate::MAX_PER_SECOND
)]
pub struct DeliveryRateError;

impl AttemptTimeout {
    /// The shortest time, in seconds.
    pub const MIN_SECONDS: u32 = 1;
    /// The longest time, in seconds.
    pub const MAX_SECONDS: u32 = 60;

    /// A limit of `seconds`.
    pub fn parse(seconds: f64) -> Result<Self, SecondsError> {
        millis(seconds, Self::MIN_SECONDS, Self::MAX_SECONDS).map(Self)
    }

    /// A limit of `millis` milliseconds, as a store kept it.
    pub fn from_millis(millis: u32) -> Result<Self, SecondsError> {
        checked_millis(millis, Self::MIN_SECONDS, Self::MAX_SECONDS).map(Self)
    }

    /// The limit, in milliseconds.
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// The limit.
    pub fn get(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

/// 15 seconds.
impl Default for AttemptTimeout {
    fn default() -> Self {
        Self(15_000)
    }
}

impl DeliveryConcurrency {
    /// The largest limit.
    pub const MAX: Self = Self(1_000);

    /// A limit of `limit` attempts.
    pub fn new(limit: u64) -> Result<Self, DeliveryConcurrencyError> {
        match u16::try_from(limit) {
            Ok(limit) if (1..=Self::MAX.0).contains(&limit) => Ok(Self(limit)),
            _ => Err(DeliveryConcurrencyError),
        }
    }

    /// The number of attempts.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// 10 attempts.
impl Default for DeliveryConcurrency {
    fn default() -> Self {
        Self(10)
    }
}

impl DeliveryRate {
    /// The largest number of attempts in a second.
    pub const MAX_PER_SECOND: u32 = 10_000;

    /// A rate of `per_second` attempts in a second.
    pub fn parse(per_second: f64) -> Result<Self, DeliveryRateError> {
        let thousandths =
            millis(per_second, 0, Self::MAX_PER_SECOND).map_err(|_| DeliveryRateError)?;
        Self::from_thousandths(thousandths)
    }

    /// A rate in thousandths of an attempt in a second, as a store kept it.
    pub fn from_thousandths(thousandths: u32) -> Result<Self, DeliveryRateError> {
        if (1..=Self::MAX_PER_SECOND * 1_000).contains(&thousandths) {
            Ok(Self(thousandths))
        } else {
            Err(DeliveryRateError)
        }
    }

    /// The rate, in thousandths of an attempt in a second.
    pub const fn as_thousandths(self) -> u32 {
        self.0
    }

    /// The time between two attempts at this rate.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(1_000_000_000_000 / u64::from(self.0.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        assert!(AttemptTimeout::parse(0.999).is_err() && AttemptTimeout::parse(60.001).is_err());
        assert_eq!(
            AttemptTimeout::parse(1.0),
            AttemptTimeout::from_millis(1_000)
        );
        assert_eq!(
            AttemptTimeout::parse(60.0),
            AttemptTimeout::from_millis(60_000)
        );
        assert!(AttemptTimeout::from_millis(60_001).is_err());
        assert_eq!(AttemptTimeout::default().get(), Duration::from_secs(15));
        assert!(DeliveryConcurrency::new(0).is_err() && DeliveryConcurrency::new(1_001).is_err());
        assert_eq!(
            DeliveryConcurrency::new(1_000),
            Ok(DeliveryConcurrency::MAX)
        );
    }

    #[test]
    fn a_rate_has_three_decimals() {
        for rate in [0.0, 0.000_5, 10_000.001, -1.0, f64::NAN] {
            assert_eq!(DeliveryRate::parse(rate), Err(DeliveryRateError), "{rate}");
        }
        let interval = |rate| DeliveryRate::parse(rate).map(DeliveryRate::interval);
        assert_eq!(interval(0.001), Ok(Duration::from_secs(1_000)));
        assert_eq!(interval(2.5), Ok(Duration::from_millis(400)));
        assert_eq!(interval(10_000.0), Ok(Duration::from_micros(100)));
    }
}
