//! The port of the token commands.

use std::time::Duration;

use posthorn_domain::{Claims, Scopes, Subject, Timestamp, TokenId, TopicPattern};

/// The keys and the store that the configuration of this machine names. The errors are
/// texts for people, and contain no token.
pub trait TokenAuthority {
    /// Issues a signed token with a new id.
    ///
    /// # Errors
    /// No server would accept the token.
    fn issue(
        &self,
        subject: Subject,
        scopes: Scopes,
        topics: Vec<TopicPattern>,
        ttl: Duration,
    ) -> Result<String, String>;

    /// The claims of a token whose signature is not verified.
    ///
    /// # Errors
    /// The text is not a token.
    fn peek(&self, token: &str) -> Result<Claims, String>;

    /// Verifies a token.
    ///
    /// # Errors
    /// The token is invalid, or there is no key to verify it with.
    fn verify(&self, token: &str) -> Result<(), String>;

    /// True if only servers of this machine can have the store.
    fn is_store_local(&self) -> bool;

    /// Revokes a token in the store, which no server has open; returns the name of the store. The
    /// audit event has `subject`.
    ///
    /// # Errors
    /// The store cannot be written.
    fn revoke_in_store(
        &self,
        subject: &str,
        id: &TokenId,
        expires_at: Option<Timestamp>,
    ) -> impl Future<Output = Result<String, String>>;
}
