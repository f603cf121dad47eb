//! The number of an attempt.

use std::fmt;

/// The number of an attempt at a message: 1 to 1000. Attempt 1 is the first hand-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u16);

/// A number is not 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number from 1 to {}", Attempt::MAX.get())]
pub struct AttemptError;

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(1);
    /// The largest number of attempts that a consumer may allow.
    pub const MAX: Self = Self(1_000);

    /// Attempt number `number`.
    pub fn new(number: u64) -> Result<Self, AttemptError> {
        match u16::try_from(number) {
            Ok(number) if (1..=Self::MAX.0).contains(&number) => Ok(Self(number)),
            _ => Err(AttemptError),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The attempt after this one; [`Attempt::MAX`] stays.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 {
            Self(self.0 + 1)
        } else {
            self
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_one_to_a_thousand() {
        assert_eq!(Attempt::new(0), Err(AttemptError));
        assert_eq!(Attempt::new(1), Ok(Attempt::FIRST));
        assert_eq!(Attempt::new(1_000), Ok(Attempt::MAX));
        assert_eq!(Attempt::new(1_001), Err(AttemptError));
        assert_eq!(Attempt::new(65_537), Err(AttemptError));
        assert_eq!(Attempt::FIRST.next().get(), 2);
        assert_eq!(Attempt::MAX.next(), Attempt::MAX);
    }
}
