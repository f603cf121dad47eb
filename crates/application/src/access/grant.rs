//! The permission of a request.

use std::sync::Arc;

use posthorn_domain::{Claims, Scope, Topic, TopicPattern};

use super::refusal::Refusal;

/// The permission of an accepted request, with or without a token. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    claims: Option<Arc<Claims>>,
    /// The needed scope; without one, the token's topics do not matter.
    needed: Option<Scope>,
}

impl Grant {
    /// For a request without a token that needs none.
    pub const ANONYMOUS: Self = Self {
        claims: None,
        needed: None,
    };

    /// For a request with a valid token that needs this scope.
    pub(super) fn of(claims: Arc<Claims>, needed: Option<Scope>) -> Result<Self, Refusal> {
        match needed {
            Some(scope) if !claims.scopes.contains(scope) => Err(Refusal::Scope(scope)),
            _ => Ok(Self {
                claims: Some(claims),
                needed,
            }),
        }
    }

    /// The claims of the token, if there is one.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_deref()
    }

    /// The patterns of the permitted topics; `None` if every topic is permitted.
    pub fn topics(&self) -> Option<&[TopicPattern]> {
        let claims = self.claims.as_ref().filter(|_| self.needed.is_some())?;
        let mut patterns = claims.topics.iter();
        let has_all = patterns.any(|pattern| pattern.as_str() == "*");
        (!has_all).then_some(&claims.topics)
    }

    /// True if `topic` is permitted.
    pub fn covers(&self, topic: &Topic) -> bool {
        self.check_topic(topic).is_ok()
    }

    /// As [`Grant::covers`].
    ///
    /// # Errors
    /// The token permits the action, on other topics.
    pub fn check_topic(&self, topic: &Topic) -> Result<(), Refusal> {
        match (&self.claims, self.needed) {
            (Some(claims), Some(scope)) if !claims.covers(topic) => {
                Err(Refusal::Topic(scope, topic.clone()))
            }
            _ => Ok(()),
        }
    }
}
