//! The environment that a process runs in.

use std::fmt;
use std::str::FromStr;

/// The environment that the process runs in. It decides which settings are safe enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// A contributor's machine.
    #[default]
    Development,
    /// An automated test.
    Testing,
    /// Real traffic: unsafe settings are refused.
    Production,
}

/// The text is none of `development`, `testing`, `production`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: development, testing, production")]
pub struct EnvironmentError;

impl Environment {
    /// The name in the configuration, in service information and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Testing => "testing",
            Self::Production => "production",
        }
    }

    /// True if reading and deleting need no token.
    pub fn is_open(self) -> bool {
        !self.is_production()
    }

    /// True if unsafe settings are refused.
    pub fn is_production(self) -> bool {
        self == Self::Production
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Development, Self::Testing, Self::Production]
            .into_iter()
            .find(|environment| environment.as_str() == text)
            .ok_or(EnvironmentError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["development", "testing", "production"] {
            assert_eq!(name.parse::<Environment>().unwrap().to_string(), name);
        }
        assert_eq!("staging".parse::<Environment>(), Err(EnvironmentError));
    }
}
