//! Why an attempt at a message failed.

use std::fmt;
use std::sync::Arc;

/// Why an attempt at a message failed: at most 256 characters (Unicode scalar values), none of them
/// a control character (category Cc). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailureReason(Arc<str>);

/// Why a text is not a failure reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureReasonError {
    /// More than [`FailureReason::MAX_LENGTH`] characters.
    #[error("a reason has at most {} characters", FailureReason::MAX_LENGTH)]
    Length,
    /// A control character.
    #[error("a reason holds no control character such as U+{:04X}", u32::from(*.0))]
    ControlCharacter(char),
}

impl FailureReason {
    /// The most characters.
    pub const MAX_LENGTH: usize = 256;
    /// The reason of a lease that ended because nobody settled it in time.
    pub const LEASE_EXPIRED: &'static str = "lease expired";

    /// Takes `reason` as it is; it may be empty.
    pub fn parse(reason: &str) -> Result<Self, FailureReasonError> {
        if let Some(control) = reason.chars().find(|character| character.is_control()) {
            return Err(FailureReasonError::ControlCharacter(control));
        }
        if reason.chars().count() > Self::MAX_LENGTH {
            return Err(FailureReasonError::Length);
        }
        Ok(Self(Arc::from(reason)))
    }

    /// [`FailureReason::LEASE_EXPIRED`].
    pub fn lease_expired() -> Self {
        Self(Arc::from(Self::LEASE_EXPIRED))
    }

    /// The reason.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_up_to_256_characters_and_no_control_characters() {
        assert!(FailureReason::parse("").is_ok());
        assert!(FailureReason::parse(&"ж".repeat(256)).is_ok());
        assert_eq!(
            FailureReason::parse(&"ж".repeat(257)),
            Err(FailureReasonError::Length)
        );
        for control in ['\n', '\t', '\0', '\u{7f}', '\u{85}'] {
            assert_eq!(
                FailureReason::parse(&format!("exit{control}1")),
                Err(FailureReasonError::ControlCharacter(control))
            );
        }
        assert_eq!(
            FailureReason::parse("lease expired"),
            Ok(FailureReason::lease_expired())
        );
    }
}
