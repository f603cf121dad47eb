//! The claims of a bearer token, and the limits on tokens.

use std::time::Duration;

use crate::scope::{Scopes, TopicPattern};
use crate::timestamp::Timestamp;
use crate::token::{Subject, TokenId};
use crate::topic::Topic;

/// The longest lifetime of a token, from now. It bounds how long a revocation is stored.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// The tolerated difference of the clocks of issuer and verifier: a token is accepted this long after
/// its expiry, and this long before its start.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The most topic patterns in a token.
pub const MAX_TOKEN_TOPICS: usize = 64;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The id of the token.
    pub id: TokenId,
    /// The bearer that it was issued to.
    pub subject: Subject,
    /// The permitted actions.
    pub scopes: Scopes,
    /// The permitted topics.
    pub topics: Vec<TopicPattern>,
    /// The expiry, without the leeway.
    pub expires_at: Timestamp,
}

impl Claims {
    /// True if the topics of the token include `topic`.
    pub fn covers(&self, topic: &Topic) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// The time until which the token is accepted.
    pub fn valid_until(&self) -> Timestamp {
        self.expires_at.saturating_add(TOKEN_LEEWAY)
    }
}

impl TokenId {
    /// The time until which a revocation of a token has to be stored: for the longest lifetime of a token from
    /// `now`. `expires_at`, which nobody has verified, extends it only: a wrong one must not bring the token back.
    pub fn revoked_until(now: Timestamp, expires_at: Option<Timestamp>) -> Timestamp {
        let latest = now.saturating_add(MAX_TOKEN_LIFETIME);
        let end = expires_at.map_or(latest, |end| end.max(latest));
        // A token is accepted for a little longer than its expiry.
        end.saturating_add(TOKEN_LEEWAY)
    }
}
