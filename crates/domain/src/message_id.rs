//! The id of a stored message: a ULID that sorts in store order.

use std::fmt;
use std::str::FromStr;

use ulid::{DecodeError, ULID_LEN, Ulid};

use crate::timestamp::Timestamp;

/// A ULID whose 48-bit time part is milliseconds since the Unix epoch and whose low 80 bits hold
/// the store's sequence number, of 64 bits.
///
/// Within one topic ids sort, as values and as text, in the order in which the store accepted the
/// messages. Text form: 26 characters of Crockford's base 32, upper case; lower case is accepted
/// when parsing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Ulid);

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
    /// The low 80 bits exceed a 64-bit sequence number: no store assigns such an id.
    #[error("an id's low part is at most a 64-bit sequence number")]
    Sequence,
}

impl MessageId {
    /// The length of the text form, in characters.
    pub const TEXT_LENGTH: usize = ULID_LEN;
    /// Below every id that a store assigns.
    pub const MIN: Self = Self(Ulid::nil());
    /// Above every id that a store assigns.
    pub const MAX: Self = Self::new(Timestamp::MAX, u64::MAX);

    /// The sequence number of a position between two milliseconds.
    const BETWEEN: u64 = u64::MAX - 1;

    /// The id of the message accepted at `timestamp` as number `sequence`.
    pub const fn new(timestamp: Timestamp, sequence: u64) -> Self {
        Self(Ulid::from_parts(timestamp.as_millis(), sequence as u128))
    }

    /// The position right before every message that is accepted at `moment` or later. No message has this id.
    pub const fn before_time(moment: Timestamp) -> Self {
        match moment.as_millis().checked_sub(1) {
            Some(millis) => Self::new(Timestamp::from_millis(millis), u64::MAX),
            None => Self::MIN,
        }
    }

    /// True for the positions that [`MessageId::before_time`] returns but [`MessageId::MIN`].
    pub const fn names_time(self) -> bool {
        self.sequence() == u64::MAX
    }

    /// True for the positions that name a time or lie between two milliseconds: no message has such an id.
    pub const fn is_between_messages(self) -> bool {
        self.sequence() >= Self::BETWEEN
    }

    /// The position that a ULID names in a topic. A store assigns only ids whose low part is a sequence number, so a
    /// ULID with a greater low part lies between two milliseconds, right before the position that names the second one.
    ///
    /// # Errors
    /// The text is not a ULID.
    pub fn parse_position(text: &str) -> Result<Self, MessageIdError> {
        let ulid = ulid(text)?;
        let sequence = u64::try_from(ulid.random()).unwrap_or(Self::BETWEEN);
        let timestamp = Timestamp::from_millis(ulid.timestamp_ms());
        Ok(Self::new(timestamp, sequence))
    }

    /// The time in the id: that of acceptance, unless the store's clock had been ahead before.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(self.0.timestamp_ms())
    }

    /// The id `count` sequence numbers later, at the same time.
    #[must_use]
    pub const fn after(self, count: u64) -> Self {
        Self::new(self.timestamp(), self.sequence().saturating_add(count))
    }

    /// The store's sequence number.
    #[expect(clippy::cast_possible_truncation, reason = "the low 64 bits")]
    pub const fn sequence(self) -> u64 {
        self.0.random() as u64
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.array_to_str(&mut [0; ULID_LEN]))
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
        let ulid = ulid(text)?;
        if ulid.random() > u128::from(u64::MAX) {
            return Err(MessageIdError::Sequence);
        }
        Ok(Self(ulid))
    }
}

/// The ULID in `text`.
fn ulid(text: &str) -> Result<Ulid, MessageIdError> {
    let ulid = Ulid::from_string(text).map_err(|error| match error {
        DecodeError::InvalidLength => MessageIdError::Length,
        DecodeError::InvalidChar => MessageIdError::Digit,
    })?;
    // 26 digits hold 130 bits, and the crate `ulid` drops the upper two.
    if text.bytes().next() > Some(b'7') {
        return Err(MessageIdError::Overflow);
    }
    Ok(ulid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_rejected(text: &str, expected: MessageIdError) {
        assert_eq!(text.parse::<MessageId>(), Err(expected), "{text}");
    }

    #[test]
    fn invalid_text_is_rejected() {
        check_rejected("", MessageIdError::Length);
        check_rejected("0000000000000000000000000", MessageIdError::Length);
        check_rejected("0000000000000000000000000U", MessageIdError::Digit);
        check_rejected("00000000000000000000000é0", MessageIdError::Digit);
        check_rejected("80000000000000000000000000", MessageIdError::Overflow);
        check_rejected("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", MessageIdError::Sequence);
    }

    #[test]
    fn every_ulid_is_a_position() {
        let id = "01KATQ2J00000000000000001F";
        assert_eq!(MessageId::parse_position(id), id.parse());
        let last = MessageId::new(Timestamp::from_millis(1), u64::MAX - 1);
        assert_eq!(
            MessageId::parse_position("0000000001FZZZZZZZZZZZZZZZ"),
            Ok(last)
        );
        assert_eq!(
            MessageId::parse_position("0000000001ZZZZZZZZZZZZZZZZ"),
            Ok(last)
        );
        let all = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        let end = MessageId::new(Timestamp::MAX, u64::MAX - 1);
        assert_eq!(MessageId::parse_position(all), Ok(end));
        let overflow = MessageId::parse_position("8ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(overflow, Err(MessageIdError::Overflow));
    }

    #[test]
    fn the_position_before_a_time_names_it_and_is_parsed_as_itself() {
        let moment = Timestamp::from_millis(2);
        let position = MessageId::before_time(moment);
        assert!(MessageId::new(Timestamp::from_millis(1), u64::MAX - 1) < position);
        assert!(position < MessageId::new(moment, 0));
        assert!(position.names_time());
        assert_eq!(
            MessageId::parse_position(&position.to_string()),
            Ok(position)
        );
        assert_eq!(MessageId::before_time(Timestamp::default()), MessageId::MIN);
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
        fn text_sorts_as_time_then_sequence(a: (u32, u64), b: (u32, u64)) {
            let id = |(millis, sequence): (u32, u64)| {
                MessageId::new(Timestamp::from_millis(u64::from(millis)), sequence)
            };
            prop_assert_eq!(id(a).to_string().cmp(&id(b).to_string()), a.cmp(&b));
            prop_assert_eq!(id(a).cmp(&id(b)), a.cmp(&b));
        }
    }
}
