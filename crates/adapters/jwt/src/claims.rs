//! The claims of a token on the wire, and their rules.

use std::time::Duration;

use posthorn_application::TokenError;
use posthorn_domain::{
    Claims, MAX_TOKEN_LIFETIME, MAX_TOKEN_TOPICS, Scopes, TOKEN_LEEWAY, Timestamp, TopicPattern,
};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// The audience of issued tokens (RFC 7519, 4.1.3).
pub(crate) const AUDIENCE: &str = "posthorn";

/// The claims on the wire. Times are seconds since the Unix epoch. Other claims are ignored.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct WireClaims {
    pub(crate) sub: Option<String>,
    /// Names separated by spaces (RFC 8693, 4.2).
    #[serde(default)]
    pub(crate) scope: String,
    /// An empty list permits no topic.
    #[serde(default)]
    pub(crate) topics: Vec<String>,
    pub(crate) jti: Option<String>,
    pub(crate) exp: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<Number>,
    /// A string or a list of strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aud: Option<Value>,
}

impl WireClaims {
    /// Checks the claims at `now`.
    pub(crate) fn check(&self, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = self.parse()?;
        if now >= claims.valid_until() {
            return Err(TokenError::Expired);
        }
        let latest = now
            .saturating_add(MAX_TOKEN_LIFETIME)
            .saturating_add(TOKEN_LEEWAY);
        if claims.expires_at > latest {
            return Err(TokenError::TooLongLived);
        }
        if let Some(start) = &self.nbf {
            let start = timestamp(start).ok_or(TokenError::Claim("nbf"))?;
            if start > now.saturating_add(TOKEN_LEEWAY) {
                return Err(TokenError::NotYet);
            }
        }
        if self.aud.as_ref().is_some_and(|audience| !is_ours(audience)) {
            return Err(TokenError::Audience);
        }
        Ok(claims)
    }

    /// Parses the claims, whatever the time.
    pub(crate) fn parse(&self) -> Result<Claims, TokenError> {
        if self.topics.len() > MAX_TOKEN_TOPICS {
            return Err(TokenError::Claim("topics"));
        }
        let patterns = self.topics.iter().map(|topic| TopicPattern::parse(topic));
        let topics = patterns.collect::<Result<_, _>>();
        let id = self.jti.as_deref().and_then(|id| id.parse().ok());
        let subject = self.sub.as_deref().and_then(|subject| subject.parse().ok());
        Ok(Claims {
            id: id.ok_or(TokenError::Claim("jti"))?,
            subject: subject.ok_or(TokenError::Claim("sub"))?,
            scopes: Scopes::known_in(&self.scope),
            topics: topics.map_err(|_| TokenError::Claim("topics"))?,
            expires_at: self
                .exp
                .as_ref()
                .and_then(timestamp)
                .ok_or(TokenError::Claim("exp"))?,
        })
    }
}

/// A `NumericDate` (RFC 7519, 2), which may have a fraction.
fn timestamp(date: &Number) -> Option<Timestamp> {
    let since_epoch = match date.as_u64() {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::try_from_secs_f64(date.as_f64()?).ok()?,
    };
    Some(Timestamp::default().saturating_add(since_epoch))
}

fn is_ours(audience: &Value) -> bool {
    match audience {
        Value::Array(list) => list.iter().any(|audience| audience == AUDIENCE),
        audience => audience == AUDIENCE,
    }
}
