//! Checking bearer tokens, as a port.

use std::time::Duration;

use posthorn_domain::{Scopes, Subject, Timestamp, TokenId, Topic, TopicPattern};

/// The longest time from now on that a token may be valid for. It bounds how long a revocation has
/// to be remembered.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// How far the clocks of issuer and verifier may be apart: a token is taken this long after its
/// end, and this long before its beginning.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The most patterns of topics in a token.
pub const MAX_TOKEN_TOPICS: usize = 64;

/// What a token says, its signature checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The token's own id.
    pub id: TokenId,
    /// Whom it was issued to.
    pub subject: Subject,
    /// What it permits.
    pub scopes: Scopes,
    /// On which topics.
    pub topics: Vec<TopicPattern>,
    /// Until when, without the leeway.
    pub expires_at: Timestamp,
}

/// Says whether a text is a token that was issued here, and what it permits.
///
/// # Contract
/// - A token is taken only with a signature by one of the configured keys and by the one configured
///   algorithm, whatever the token says of itself; signatures MUST be compared in constant time.
/// - A token without an end, past its end, before its beginning, or that ends later than
///   [`MAX_TOKEN_LIFETIME`] from now MUST be refused, each within [`TOKEN_LEEWAY`], by the `Clock`.
/// - A text of over [`MAX_TOKEN_BYTES`] MUST be refused before it is parsed.
/// - Neither the token nor a part of it MUST appear in an error or in a log.
pub trait TokenVerifier: Send + Sync {
    /// The claims of `token`.
    fn verify(&self, token: &str) -> Result<Claims, TokenError>;
}

/// Why a text is not taken as a token. The texts are for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// It is no signed token in the compact form, or it demands what is not known here.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed by another algorithm, or by none.
    #[error("the token is signed by another algorithm than HS256")]
    Algorithm,
    /// No key of ours has signed it.
    #[error("the token's signature is not valid")]
    Signature,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// It ends too late to be revocable.
    #[error("the token is valid for longer than tokens may be")]
    TooLongLived,
    /// It was issued for another service.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is missing or breaks its rule; this one.
    #[error("the token's claim `{0}` is missing or not valid")]
    Claim(&'static str),
}

impl TokenError {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::TooLongLived => "too-long-lived",
            Self::Audience => "audience",
            Self::Claim(_) => "claim",
        }
    }
}

impl Claims {
    /// Whether it permits anything on `topic`.
    pub fn covers(&self, topic: &Topic) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// Until when it is taken.
    pub fn taken_until(&self) -> Timestamp {
        self.expires_at.saturating_add(TOKEN_LEEWAY)
    }
}
