//! The waits between the attempts at a message.

use std::time::Duration;

use crate::lease::Attempt;
use crate::seconds::{SecondsError, millis};

/// The waits after the first, second, … failed attempt: 1 to 20 of 0 to 86,400 seconds, to the
/// millisecond. The last one repeats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackoffSchedule(Box<[u32]>);

/// Why numbers are not a back-off schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackoffScheduleError {
    /// No numbers, or more than [`BackoffSchedule::MAX_LENGTH`].
    #[error("a list of 1 to {} numbers", BackoffSchedule::MAX_LENGTH)]
    Length,
    /// The number at this position, counted from 0, is out of its limits.
    #[error("each number is {error}")]
    Number {
        /// The position of the first such number.
        position: usize,
        /// Its limits.
        error: SecondsError,
    },
}

impl BackoffSchedule {
    /// The most waits in a schedule.
    pub const MAX_LENGTH: usize = 20;
    /// The longest wait, in seconds.
    pub const MAX_SECONDS: u32 = 86_400;

    /// The schedule of these numbers of seconds.
    pub fn parse(seconds: &[f64]) -> Result<Self, BackoffScheduleError> {
        let waits = seconds.iter().enumerate().map(|(position, seconds)| {
            millis(*seconds, 0, Self::MAX_SECONDS)
                .map_err(|error| BackoffScheduleError::Number { position, error })
        });
        Self::check_length(seconds.len())?;
        Ok(Self(waits.collect::<Result<_, _>>()?))
    }

    /// The schedule of these numbers of milliseconds, as a store kept them.
    pub fn from_millis(waits: impl IntoIterator<Item = u32>) -> Result<Self, BackoffScheduleError> {
        let waits: Box<[u32]> = waits.into_iter().collect();
        Self::check_length(waits.len())?;
        let max = Self::MAX_SECONDS;
        match waits.iter().position(|wait| *wait > max * 1_000) {
            Some(position) => Err(BackoffScheduleError::Number {
                position,
                error: SecondsError { min: 0, max },
            }),
            None => Ok(Self(waits)),
        }
    }

    /// The waits, in milliseconds.
    pub fn as_millis(&self) -> &[u32] {
        &self.0
    }

    /// The wait between the failed attempt `attempt` and the next one.
    pub fn delay_after(&self, attempt: Attempt) -> Duration {
        let position = usize::from(attempt.get()) - 1;
        let wait = self.0.get(position).or(self.0.last());
        Duration::from_millis(wait.copied().unwrap_or_default().into())
    }

    fn check_length(length: usize) -> Result<(), BackoffScheduleError> {
        if (1..=Self::MAX_LENGTH).contains(&length) {
            Ok(())
        } else {
            Err(BackoffScheduleError::Length)
        }
    }
}

/// `[0, 5, 30, 300]` seconds.
impl Default for BackoffSchedule {
    fn default() -> Self {
        Self(Box::new([0, 5_000, 30_000, 300_000]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_wait_repeats() {
        let schedule = BackoffSchedule::parse(&[0.0, 1.5, 86_400.0]).unwrap();
        assert_eq!(schedule.as_millis(), [0, 1_500, 86_400_000]);
        for (attempt, wait) in [(1, 0), (2, 1_500), (3, 86_400_000), (1_000, 86_400_000)] {
            let attempt = Attempt::new(attempt).unwrap();
            assert_eq!(schedule.delay_after(attempt), Duration::from_millis(wait));
        }
        let again = BackoffSchedule::from_millis(schedule.as_millis().iter().copied());
        assert_eq!(again, Ok(schedule));
    }

    #[test]
    fn length_and_numbers_have_limits() {
        let error = SecondsError {
            min: 0,
            max: 86_400,
        };
        let number = |position| Err(BackoffScheduleError::Number { position, error });
        assert_eq!(
            BackoffSchedule::parse(&[]),
            Err(BackoffScheduleError::Length)
        );
        assert_eq!(
            BackoffSchedule::parse(&[1.0; 21]),
            Err(BackoffScheduleError::Length)
        );
        assert!(BackoffSchedule::parse(&[1.0; 20]).is_ok());
        assert_eq!(BackoffSchedule::parse(&[0.0, -1.0]), number(1));
        assert_eq!(BackoffSchedule::parse(&[0.000_5, -1.0]), number(0));
        assert_eq!(BackoffSchedule::from_millis([0, 86_400_001]), number(1));
        assert_eq!(
            BackoffSchedule::from_millis([]),
            Err(BackoffScheduleError::Length)
        );
    }
}
