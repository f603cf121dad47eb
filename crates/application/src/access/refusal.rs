//! Why a request is rejected.

use std::sync::Arc;

use posthorn_domain::{Claims, Scope, Topic};

use crate::ports::backend_error::BackendError;
use crate::ports::quota_counter::QuotaDecision;
use crate::ports::token_verifier::TokenError;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request has no token, and needs one with this scope.
    Missing(Scope),
    /// The token is not valid.
    Invalid(TokenError),
    /// The token was revoked.
    Revoked,
    /// The token lacks this scope.
    Scope(Scope),
    /// The token has the scope, but not on this topic.
    Topic(Scope, Topic),
    /// The client sent more rejected tokens than these limits allow.
    Throttled(QuotaDecision),
    /// The revocation list is unavailable.
    Unavailable(BackendError),
}

/// A rejected request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRequest {
    /// Why it is rejected.
    pub refusal: Refusal,
    /// The claims of its token, if that is valid and does not permit the request.
    pub claims: Option<Arc<Claims>>,
}

impl From<Refusal> for RefusedRequest {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            claims: None,
        }
    }
}

impl Refusal {
    /// The names of all refusals, those of [`TokenError`] among them.
    pub const NAMES: [&'static str; 15] = [
        "missing",
        "revoked",
        "scope",
        "topic",
        "throttled",
        "unavailable",
        "too-long",
        "malformed",
        "algorithm",
        "signature",
        "expired",
        "not-yet",
        "too-long-lived",
        "audience",
        "claim",
    ];

    /// The name in metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Invalid(error) => error.as_str(),
            Self::Revoked => "revoked",
            Self::Scope(_) => "scope",
            Self::Topic(..) => "topic",
            Self::Throttled(_) => "throttled",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed() {
        let token = [
            TokenError::TooLong,
            TokenError::Malformed,
            TokenError::Algorithm,
            TokenError::Signature,
            TokenError::Expired,
            TokenError::NotYet,
            TokenError::TooLongLived,
            TokenError::Audience,
        ];
        let mut refusals: Vec<Refusal> = token.map(Refusal::Invalid).into();
        refusals.extend([Refusal::Revoked, Refusal::Missing(Scope::Read)]);
        refusals.push(Refusal::Scope(Scope::Read));
        for refusal in refusals {
            let name = refusal.as_str();
            assert!(Refusal::NAMES.contains(&name), "{name}");
        }
    }
}
