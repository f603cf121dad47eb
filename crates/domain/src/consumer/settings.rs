//! The settings of a consumer.

use std::fmt;

use crate::backoff_schedule::{BackoffSchedule, BackoffScheduleError};
use crate::lease::{Attempt, AttemptError, LeaseDuration};
use crate::seconds::SecondsError;

/// How a consumer hands out messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// How long a lease holds when the pull names no length. 30 seconds by default.
    pub lease: LeaseDuration,
    /// After this failed attempt a message is dead. 5 by default.
    pub max_attempts: Attempt,
    /// The waits between attempts. 0, 5, 30 and 300 seconds by default.
    pub backoff: BackoffSchedule,
    /// The most valid leases at one moment. 1,000 by default.
    pub max_in_flight: InFlightLimit,
}

/// The most valid leases of a consumer at one moment: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InFlightLimit(u16);

/// A number is not 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number from 1 to {}", InFlightLimit::MAX.get())]
pub struct InFlightLimitError;

/// The settings of a consumer as a client wrote them; what is absent gets its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsumerOptions {
    /// See [`ConsumerSettings::lease`]; seconds.
    pub lease_seconds: Option<f64>,
    /// See [`ConsumerSettings::max_attempts`].
    pub max_attempts: Option<u64>,
    /// See [`ConsumerSettings::backoff`]; seconds.
    pub backoff_seconds: Option<Vec<f64>>,
    /// See [`ConsumerSettings::max_in_flight`].
    pub max_in_flight: Option<u64>,
}

/// Which setting is out of its limits, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerSettingsError {
    /// `lease_seconds`.
    #[error(transparent)]
    Lease(#[from] SecondsError),
    /// `max_attempts`.
    #[error(transparent)]
    MaxAttempts(#[from] AttemptError),
    /// `backoff_seconds`.
    #[error(transparent)]
    Backoff(#[from] BackoffScheduleError),
    /// `max_in_flight`.
    #[error(transparent)]
    MaxInFlight(#[from] InFlightLimitError),
}

/// The version of a consumer's settings: equal tags mean equal settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SettingsTag([u8; Self::LENGTH]);

impl ConsumerSettings {
    /// The settings of `options`.
    ///
    /// # Errors
    /// Every setting that is out of its limits, in the order of the fields.
    pub fn parse(options: &ConsumerOptions) -> Result<Self, Vec<ConsumerSettingsError>> {
        let mut errors = Vec::new();
        let lease = parse_or_default(options.lease_seconds, LeaseDuration::parse, &mut errors);
        let max_attempts = options.max_attempts.unwrap_or(5);
        let max_attempts = Attempt::new(max_attempts).unwrap_or_else(|error| {
            errors.push(error.into());
            Attempt::FIRST
        });
        let backoff = options.backoff_seconds.as_deref();
        let backoff = parse_or_default(backoff, BackoffSchedule::parse, &mut errors);
        let max_in_flight =
            parse_or_default(options.max_in_flight, InFlightLimit::new, &mut errors);
        if errors.is_empty() {
            Ok(Self {
                lease,
                max_attempts,
                backoff,
                max_in_flight,
            })
        } else {
            Err(errors)
        }
    }
}

/// The parsed value; the default, also after an error, which is added to `errors`.
fn parse_or_default<T, V: Default, E: Into<ConsumerSettingsError>>(
    value: Option<T>,
    parse: impl FnOnce(T) -> Result<V, E>,
    errors: &mut Vec<ConsumerSettingsError>,
) -> V {
    let parsed = value.map(parse).transpose();
    let parsed = parsed.map_err(|error| errors.push(error.into()));
    parsed.unwrap_or_default().unwrap_or_default()
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            lease: LeaseDuration::default(),
            max_attempts: Attempt::new(5).unwrap_or(Attempt::FIRST),
            backoff: BackoffSchedule::default(),
            max_in_flight: InFlightLimit::default(),
        }
    }
}

impl InFlightLimit {
    /// The largest limit.
    pub const MAX: Self = Self(10_000);

    /// A limit of `limit` leases.
    pub fn new(limit: u64) -> Result<Self, InFlightLimitError> {
        match u16::try_from(limit) {
            Ok(limit) if (1..=Self::MAX.0).contains(&limit) => Ok(Self(limit)),
            _ => Err(InFlightLimitError),
        }
    }

    /// The number of leases.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// 1,000 leases.
impl Default for InFlightLimit {
    fn default() -> Self {
        Self(1_000)
    }
}

impl SettingsTag {
    /// The length, in bytes.
    pub const LENGTH: usize = 16;

    /// The tag of these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The tag that `text` is: 32 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * Self::LENGTH {
            return None;
        }
        let tag = Self(u128::from_str_radix(text, 16).ok()?.to_be_bytes());
        (tag.to_string() == text).then_some(tag)
    }
}

/// 32 hexadecimal digits in lower case.
impl fmt::Display for SettingsTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_options_get_their_defaults() {
        let settings = ConsumerSettings::parse(&ConsumerOptions::default());
        assert_eq!(settings, Ok(ConsumerSettings::default()));
        let settings = ConsumerSettings::default();
        assert_eq!(settings.lease.as_millis(), 30_000);
        assert_eq!(settings.max_attempts.get(), 5);
        assert_eq!(settings.backoff.as_millis(), [0, 5_000, 30_000, 300_000]);
        assert_eq!(settings.max_in_flight.get(), 1_000);
    }

    #[test]
    fn every_wrong_option_is_reported() {
        let options = ConsumerOptions {
            lease_seconds: Some(0.5),
            max_attempts: Some(0),
            backoff_seconds: Some(vec![]),
            max_in_flight: Some(10_001),
        };
        assert_eq!(
            ConsumerSettings::parse(&options),
            Err(vec![
                ConsumerSettingsError::Lease(SecondsError {
                    min: 1,
                    max: 43_200
                }),
                ConsumerSettingsError::MaxAttempts(AttemptError),
                ConsumerSettingsError::Backoff(BackoffScheduleError::Length),
                ConsumerSettingsError::MaxInFlight(InFlightLimitError),
            ])
        );
    }

    #[test]
    fn options_within_their_limits_are_taken() {
        let options = ConsumerOptions {
            lease_seconds: Some(43_200.0),
            max_attempts: Some(1_000),
            backoff_seconds: Some(vec![86_400.0]),
            max_in_flight: Some(10_000),
        };
        let settings = ConsumerSettings::parse(&options).unwrap();
        assert_eq!(settings.max_attempts, Attempt::MAX);
        assert_eq!(settings.max_in_flight, InFlightLimit::MAX);
    }

    #[test]
    fn a_tag_has_one_text() {
        let tag = SettingsTag::from_bytes([0x0a; SettingsTag::LENGTH]);
        assert_eq!(SettingsTag::parse(&tag.to_string()), Some(tag));
        for text in ["", &tag.to_string().to_uppercase(), &"+".repeat(32), "*"] {
            assert_eq!(SettingsTag::parse(text), None, "{text}");
        }
    }
}
