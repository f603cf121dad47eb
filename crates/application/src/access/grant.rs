//! What a request was granted.

use std::sync::Arc;

use posthorn_domain::{Scope, Topic};

use super::Refusal;
use crate::ports::token_verifier::Claims;

/// Permission to go on, by a token or without one. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    claims: Option<Arc<Claims>>,
    /// The scope that was needed; what the token says of topics counts only then.
    needed: Option<Scope>,
}

impl Grant {
    /// For who showed no token and needs none.
    pub const ANONYMOUS: Self = Self {
        claims: None,
        needed: None,
    };

    /// For the bearer of a valid token, where `needed` is needed.
    pub(super) fn of(claims: Claims, needed: Option<Scope>) -> Result<Self, Refusal> {
        match needed {
            Some(scope) if !claims.scopes.contains(scope) => Err(Refusal::Scope(scope)),
            _ => Ok(Self {
                claims: Some(Arc::new(claims)),
                needed,
            }),
        }
    }

    /// The token's claims, if one was shown.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_deref()
    }

    /// Whether every topic is permitted, so that none has to be asked for.
    pub fn covers_all(&self) -> bool {
        self.needed.is_none()
            || self.claims.as_ref().is_some_and(|claims| {
                let mut patterns = claims.topics.iter();
                patterns.any(|pattern| pattern.as_str() == "*")
            })
    }

    /// Whether `topic` is permitted.
    pub fn covers(&self, topic: &Topic) -> bool {
        self.check_topic(topic).is_ok()
    }

    /// As [`Grant::covers`].
    ///
    /// # Errors
    /// The token permits what was asked for, on other topics.
    pub fn check_topic(&self, topic: &Topic) -> Result<(), Refusal> {
        match (&self.claims, self.needed) {
            (Some(claims), Some(scope)) if !claims.covers(topic) => {
                Err(Refusal::Topic(scope, topic.clone()))
            }
            _ => Ok(()),
        }
    }
}
