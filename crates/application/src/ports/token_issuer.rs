//! The port for issuing bearer tokens.

use std::time::Duration;

use posthorn_domain::{
    Claims, MAX_TOKEN_BYTES, MAX_TOKEN_LIFETIME, MAX_TOKEN_TOPICS, Scopes, Subject, TokenId,
    TopicPattern,
};

use super::token_verifier::{TokenError, TokenVerifier};

/// Issues the tokens that the same keys verify.
///
/// # Contract
/// - A token is signed with the current key, and verified by every server that has it.
/// - Neither the token nor a part of it MUST appear in an error or in a log.
pub trait TokenIssuer: TokenVerifier {
    /// Issues a signed token.
    ///
    /// # Errors
    /// No verifier would accept it.
    fn issue(&self, token: &NewToken) -> Result<String, IssueError>;

    /// The claims of a token without verifying its signature: to print them, never to trust them.
    ///
    /// # Errors
    /// The text is not a token, or a claim is invalid.
    fn peek(&self, token: &str) -> Result<Claims, TokenError>;
}

/// A token to issue.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The id, which must be unique.
    pub id: TokenId,
    /// The bearer.
    pub subject: Subject,
    /// The permitted actions.
    pub scopes: Scopes,
    /// The permitted topics.
    pub topics: Vec<TopicPattern>,
    /// The lifetime from now, rounded up to whole seconds.
    pub ttl: Duration,
}

/// Why a token cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// It would expire at once, or could not be revoked until its expiry.
    #[error("a token lives from 1 second to {} days", MAX_TOKEN_LIFETIME.as_secs() / 86_400)]
    Lifetime,
    /// It would be longer than verifiers accept, or has too many topic patterns.
    #[error(
        "the token would be longer than {MAX_TOKEN_BYTES} bytes or have more than \
         {MAX_TOKEN_TOPICS} patterns of topics"
    )]
    Length,
    /// The token cannot be signed.
    #[error("the token cannot be signed: {0}")]
    Signing(String),
}
