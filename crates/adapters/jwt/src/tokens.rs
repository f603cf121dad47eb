//! Issuing and checking tokens with the configured keys.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use posthorn_application::{
    Claims, Clock, MAX_TOKEN_BYTES, MAX_TOKEN_LIFETIME, MAX_TOKEN_TOPICS, TokenError, TokenVerifier,
};
use posthorn_domain::{Scopes, Subject, TokenId, TopicPattern};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Number, Value};

use crate::claims::{AUDIENCE, WireClaims};
use crate::hs256;

/// Signs with one key; checks against it and, during a rotation, against the one before.
pub struct JwtTokens {
    signing: EncodingKey,
    /// The key that signs, then the one before.
    verifying: Vec<DecodingKey>,
    clock: Arc<dyn Clock>,
}

/// A token to issue.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id, which no other token may have.
    pub id: TokenId,
    /// Whom it is for.
    pub subject: Subject,
    /// What it permits.
    pub scopes: Scopes,
    /// On which topics.
    pub topics: Vec<TopicPattern>,
    /// For how long, from now on; rounded up to whole seconds.
    pub ttl: Duration,
}

/// Why a token was not issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// It would end at once, or could not be revocable to its end.
    #[error("a token lives from 1 second to {} days", MAX_TOKEN_LIFETIME.as_secs() / 86_400)]
    Lifetime,
    /// It would be longer than servers take, or has too many patterns.
    #[error(
        "the token would be longer than {MAX_TOKEN_BYTES} bytes or have more than \
         {MAX_TOKEN_TOPICS} patterns of topics"
    )]
    Length,
    /// The token cannot be signed.
    #[error("the token cannot be signed: {0}")]
    Signing(String),
}

impl JwtTokens {
    /// Signs with `key`; also takes what `previous` signed.
    pub fn new(key: &SecretString, previous: Option<&SecretString>, clock: Arc<dyn Clock>) -> Self {
        hs256::install();
        let keys = [Some(key), previous].into_iter().flatten();
        Self {
            signing: EncodingKey::from_secret(key.expose_secret().as_bytes()),
            verifying: keys
                .map(|key| DecodingKey::from_secret(key.expose_secret().as_bytes()))
                .collect(),
            clock,
        }
    }

    /// A signed token.
    ///
    /// # Errors
    /// It would not be taken.
    pub fn issue(&self, token: &NewToken) -> Result<String, IssueError> {
        let seconds = token.ttl.as_secs() + u64::from(token.ttl.subsec_nanos() > 0);
        if !(1..=MAX_TOKEN_LIFETIME.as_secs()).contains(&seconds) {
            return Err(IssueError::Lifetime);
        }
        let now = self.clock.now().as_millis() / 1000;
        let topics = token.topics.iter().map(ToString::to_string);
        let claims = WireClaims {
            sub: Some(token.subject.to_string()),
            scope: token.scopes.to_string(),
            topics: topics.collect(),
            jti: Some(token.id.to_string()),
            exp: Some(Number::from(now.saturating_add(seconds))),
            nbf: None,
            iat: Some(Number::from(now)),
            aud: Some(Value::from(AUDIENCE)),
        };
        let header = Header::new(Algorithm::HS256);
        let text = jsonwebtoken::encode(&header, &claims, &self.signing)
            .map_err(|error| IssueError::Signing(error.to_string()))?;
        if text.len() > MAX_TOKEN_BYTES || token.topics.len() > MAX_TOKEN_TOPICS {
            return Err(IssueError::Length);
        }
        Ok(text)
    }

    /// The claims of a text that one of the keys has signed.
    fn signed(&self, token: &str) -> Result<WireClaims, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would ask the system's clock; times and audience are checked by `claims`.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let mut outcome = Err(TokenError::Signature);
        for key in &self.verifying {
            outcome = match jsonwebtoken::decode::<WireClaims>(token, key, &validation) {
                // An extension that has to be understood is not (RFC 7515, 4.1.11).
                Ok(data) if data.header.crit.is_some() => Err(TokenError::Malformed),
                Ok(data) => Ok(data.claims),
                Err(error) => Err(refusal(token, error.kind())),
            };
            if outcome.as_ref().err() != Some(&TokenError::Signature) {
                break;
            }
        }
        outcome
    }
}

impl TokenVerifier for JwtTokens {
    fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        self.signed(token)?.check(self.clock.now())
    }
}

/// What a text says of itself, its signature not checked: to show it, never to trust it.
///
/// # Errors
/// It is no token, or a claim breaks its rule.
pub fn peek(token: &str) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<WireClaims>(token);
    claims.map_err(|_| TokenError::Malformed)?.read()
}

/// What the library's error means. Its text may hold parts of the token, so that it goes no
/// further.
fn refusal(token: &str, error: &ErrorKind) -> TokenError {
    match error {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        // The library knows no `none`: it cannot read a header that names it, or names nothing.
        ErrorKind::Json(error)
            if error.is_data() && jsonwebtoken::decode_header(token).is_err() =>
        {
            TokenError::Algorithm
        }
        _ => TokenError::Malformed,
    }
}
