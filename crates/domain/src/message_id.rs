//! The id of a stored message: a ULID that sorts in store order.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

/// The digits of Crockford's base 32, by value. Source: the ULID specification,
/// <https://github.com/ulid/spec>.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A ULID whose 48-bit time part is milliseconds since the Unix epoch and whose low 80 bits hold
/// the store's sequence number (64 bits of it are used).
///
/// Within one topic ids sort, as values and as text, in the order in which the store accepted the
/// messages. Text form: 26 characters of Crockford's base 32, upper case; lower case is accepted
/// when parsing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

/// Why a text is not a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageIdError {
    /// A ULID has exactly 26 characters.
    #[error("an id has {} characters", MessageId::TEXT_LENGTH)]
    Length,
    /// A character outside Crockford's base 32 (`I`, `L`, `O` and `U` are not digits).
    #[error("an id is written in Crockford's base 32")]
    Digit,
    /// The value needs more than 128 bits.
    #[error("an id is at most 7ZZZZZZZZZZZZZZZZZZZZZZZZZ")]
    Overflow,
    /// The low 80 bits hold more than a 64-bit sequence number, so no store made this id.
    #[error("an id's low part is at most a 64-bit sequence number")]
    Sequence,
}

impl MessageId {
    /// The length of the text form, in characters.
    pub const TEXT_LENGTH: usize = 26;
    /// Below every id a store can give.
    pub const MIN: Self = Self(0);
    /// Above every id a store can give.
    pub const MAX: Self = Self::new(Timestamp::MAX, u64::MAX);

    /// The id of the message accepted at `timestamp` as number `sequence`.
    pub const fn new(timestamp: Timestamp, sequence: u64) -> Self {
        Self(((timestamp.as_millis() as u128) << 80) | sequence as u128)
    }

    /// When the message was accepted, by the store's clock.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> 80) as u64)
    }

    /// The store's sequence number.
    #[expect(clippy::cast_possible_truncation, reason = "the low 64 bits")]
    pub const fn sequence(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; Self::TEXT_LENGTH];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 31).unwrap_or(0);
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != Self::TEXT_LENGTH {
            return Err(MessageIdError::Length);
        }
        let mut value: u128 = 0;
        for byte in text.bytes() {
            let upper = byte.to_ascii_uppercase();
            let digit = DIGITS
                .iter()
                .position(|digit| *digit == upper)
                .ok_or(MessageIdError::Digit)?;
            let digit = u128::try_from(digit).map_err(|_| MessageIdError::Digit)?;
            value = value.checked_mul(32).ok_or(MessageIdError::Overflow)? | digit;
        }
        let id = Self(value);
        if id == Self::new(id.timestamp(), id.sequence()) {
            Ok(id)
        } else {
            Err(MessageIdError::Sequence)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_refused(text: &str, expected: MessageIdError) {
        assert_eq!(text.parse::<MessageId>(), Err(expected), "{text}");
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        check_refused("", MessageIdError::Length);
        check_refused("0000000000000000000000000", MessageIdError::Length);
        check_refused("0000000000000000000000000U", MessageIdError::Digit);
        check_refused("00000000000000000000000é0", MessageIdError::Digit);
        check_refused("80000000000000000000000000", MessageIdError::Overflow);
        check_refused("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", MessageIdError::Sequence);
    }

    #[test]
    fn lower_case_names_the_same_id() {
        let id = MessageId::new(Timestamp::from_millis(1_795_392_000_000), 0xabc_def);
        assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
    }

    proptest! {
        #[test]
        fn text_and_parts_survive_a_round_trip(millis in 0..1_u64 << 48, sequence: u64) {
            let id = MessageId::new(Timestamp::from_millis(millis), sequence);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.timestamp().as_millis(), millis);
            prop_assert_eq!(id.sequence(), sequence);
        }

        #[test]
        fn text_is_what_the_ulid_crate_writes(millis in 0..1_u64 << 48, sequence: u64) {
            let id = MessageId::new(Timestamp::from_millis(millis), sequence);
            let reference = ulid::Ulid::from_parts(millis, u128::from(sequence));
            prop_assert_eq!(id.to_string(), reference.to_string());
        }

        #[test]
        fn text_sorts_as_time_then_sequence(a: (u32, u64), b: (u32, u64)) {
            let id = |(millis, sequence): (u32, u64)| {
                MessageId::new(Timestamp::from_millis(u64::from(millis)), sequence)
            };
            prop_assert_eq!(id(a).to_string().cmp(&id(b).to_string()), a.cmp(&b));
            prop_assert_eq!(id(a).cmp(&id(b)), a.cmp(&b));
        }
    }
}
