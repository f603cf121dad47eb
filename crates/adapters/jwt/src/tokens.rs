//! Issues and verifies tokens with the configured keys.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use posthorn_application::{Clock, IssueError, NewToken, TokenError, TokenIssuer, TokenVerifier};
use posthorn_domain::{Claims, MAX_TOKEN_BYTES, MAX_TOKEN_LIFETIME, MAX_TOKEN_TOPICS};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Number, Value};

use crate::claims::{AUDIENCE, WireClaims};
use crate::hs256;

/// Signs with one key, and verifies with that key and, during a rotation, the previous one.
pub struct JwtTokens {
    signing: EncodingKey,
    /// The signing key, then the previous one.
    verifying: Vec<DecodingKey>,
    clock: Arc<dyn Clock>,
}

impl JwtTokens {
    /// Signs with `key`; also accepts tokens signed with `previous`.
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

    /// The claims of a token that was signed with one of the keys.
    fn verify_signature(&self, token: &str) -> Result<WireClaims, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        // jsonwebtoken would read the system's clock; `claims` checks times and audience.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let mut outcome = Err(TokenError::Signature);
        for key in &self.verifying {
            outcome = match jsonwebtoken::decode::<WireClaims>(token, key, &validation) {
                // A critical extension that is not supported (RFC 7515, 4.1.11).
                Ok(data) if data.header.crit.is_some() => Err(TokenError::Malformed),
                Ok(data) => Ok(data.claims),
                Err(error) => Err(token_error(token, error.kind())),
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
        self.verify_signature(token)?.check(self.clock.now())
    }
}

impl TokenIssuer for JwtTokens {
    fn issue(&self, token: &NewToken) -> Result<String, IssueError> {
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

    fn peek(&self, token: &str) -> Result<Claims, TokenError> {
        peek(token)
    }
}

/// The claims of a token without verifying its signature: to print them, never to trust them.
///
/// # Errors
/// The text is not a token, or a claim is invalid.
pub fn peek(token: &str) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<WireClaims>(token);
    claims.map_err(|_| TokenError::Malformed)?.parse()
}

/// Maps an error of jsonwebtoken. Its text may contain parts of the token and is dropped.
fn token_error(token: &str, error: &ErrorKind) -> TokenError {
    match error {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        // jsonwebtoken has no algorithm `none`: it cannot parse a header that names it or no algorithm.
        ErrorKind::Json(error)
            if error.is_data() && jsonwebtoken::decode_header(token).is_err() =>
        {
            TokenError::Algorithm
        }
        _ => TokenError::Malformed,
    }
}
