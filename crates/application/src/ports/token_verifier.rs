//! The port for verifying bearer tokens.

use posthorn_domain::Claims;

/// Verifies tokens that were issued with one of the configured keys.
///
/// # Contract
/// - A token is accepted only with a signature by one of the configured keys and the one configured
///   algorithm, whatever its header names; signatures MUST be compared in constant time.
/// - A token without an expiry, after its expiry, before its start, or that expires later than
///   [`MAX_TOKEN_LIFETIME`] from now MUST be rejected, each within [`TOKEN_LEEWAY`], by the `Clock`.
/// - A text of over [`MAX_TOKEN_BYTES`] MUST be rejected before it is parsed.
/// - Neither the token nor a part of it MUST appear in an error or in a log.
///
/// [`MAX_TOKEN_LIFETIME`]: posthorn_domain::MAX_TOKEN_LIFETIME
/// [`TOKEN_LEEWAY`]: posthorn_domain::TOKEN_LEEWAY
/// [`MAX_TOKEN_BYTES`]: posthorn_domain::MAX_TOKEN_BYTES
pub trait TokenVerifier: Send + Sync {
    /// The claims of `token`.
    fn verify(&self, token: &str) -> Result<Claims, TokenError>;
}

/// Why a token is rejected. The texts are for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_BYTES`](posthorn_domain::MAX_TOKEN_BYTES).
    #[error("the token is too long")]
    TooLong,
    /// It is not a signed token in the compact form, or it requires an unknown extension.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed by another algorithm, or by none.
    #[error("the token is signed by another algorithm than HS256")]
    Algorithm,
    /// It is not signed by a configured key.
    #[error("the token's signature is not valid")]
    Signature,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// It expires too late to be revocable.
    #[error("the token is valid for longer than tokens may be")]
    TooLongLived,
    /// It was issued for another service.
    #[error("the token is for another audience")]
    Audience,
    /// This claim is missing or invalid.
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
