//! The token that proves a lease.

use std::fmt;

use super::attempt::Attempt;
use crate::message_id::MessageId;

/// 64 unguessable random bits that all leases of one pull share and no other lease has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseNonce(u64);

/// What a worker shows to settle a message: the message's id, the attempt, and the nonce of the
/// pull that granted the lease.
///
/// Its text is opaque to workers and 45 to 48 characters of `0-9 A-Z a-z -` long. A store compares
/// the attempt and the nonce with those of the lease that it keeps for the id, so a token of
/// another consumer, another pull or another attempt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseToken {
    /// The message that is leased.
    pub id: MessageId,
    /// The attempt at it.
    pub attempt: Attempt,
    /// The nonce of the pull.
    pub nonce: LeaseNonce,
}

impl LeaseNonce {
    /// The nonce of these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

/// 16 hexadecimal digits, lower case.
impl fmt::Display for LeaseNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Hides the bits, which are a secret until the lease ends.
impl fmt::Debug for LeaseNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseNonce(…)")
    }
}

impl LeaseToken {
    /// The token that `text` is; `None` for every text that is not exactly the text of a token. Such
    /// a text is a stale token, never an error.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let token = Self {
            id: parts.next()?.parse().ok()?,
            attempt: Attempt::new(parts.next()?.parse().ok()?).ok()?,
            nonce: LeaseNonce(u64::from_str_radix(parts.next()?, 16).ok()?),
        };
        // Parsing accepts lower case, signs and leading zeros. One token has one text.
        (token.to_string() == text).then_some(token)
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.id, self.attempt, self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    fn token(millis: u64, sequence: u64, attempt: u64, bits: u64) -> LeaseToken {
        LeaseToken {
            id: MessageId::new(Timestamp::from_millis(millis), sequence),
            attempt: Attempt::new(attempt).unwrap(),
            nonce: LeaseNonce::from_bits(bits),
        }
    }

    #[test]
    fn any_other_text_is_no_token() {
        let text = token(1_795_392_000_000, 7, 12, 0xab).to_string();
        assert!(LeaseToken::parse(&text).is_some());
        let changed = [
            String::new(),
            "-".repeat(200),
            text.to_lowercase(),
            text.to_uppercase(),
            text.replace("-12-", "-+12-"),
            text.replace("-12-", "-012-"),
            text.replace("-12-", "-0-"),
            text.replace("-12-", "-1001-"),
            text.replace("-12-", "--"),
            text.replace("-00", "-"),
            format!("{text} "),
            format!("{text}-"),
            format!("0{text}"),
            "токен".to_owned(),
        ];
        for changed in changed {
            assert_eq!(LeaseToken::parse(&changed), None, "{changed}");
        }
    }

    #[test]
    fn debug_hides_the_nonce() {
        assert!(!format!("{:?}", token(1, 1, 1, 0xdead_beef)).contains("dead"));
    }

    proptest! {
        #[test]
        fn the_text_survives_a_round_trip_within_its_limit(
            millis in 0..1_u64 << 48, sequence: u64, attempt in 1..=1_000_u64, bits: u64,
        ) {
            let token = token(millis, sequence, attempt, bits);
            let text = token.to_string();
            prop_assert!((45..=48).contains(&text.len()));
            prop_assert_eq!(LeaseToken::parse(&text), Some(token));
        }

        #[test]
        fn no_text_is_an_error(text: String) {
            prop_assert!(LeaseToken::parse(&text).is_none_or(|token| token.to_string() == text));
        }
    }
}
