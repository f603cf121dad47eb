//! `posthorn token revoke`: through a server, or in the store if no server is reachable.

use std::time::Duration;

use posthorn_domain::{Scope, Subject, Timestamp, TokenId};

use super::authority::TokenAuthority;
use crate::address;
use crate::api::ApiClient;
use crate::error::{ClientError, RetryableError};

/// The subject of the token that authorizes the request, and of the audit event.
const SUBJECT: &str = "posthorn-token-revoke";
/// The lifetime of that token.
const TOKEN_LIFETIME: Duration = Duration::from_mins(1);

/// How a token begins: `{"` in base64url (RFC 7519, section 3).
const TOKEN_START: &str = "eyJ";

/// The token to revoke.
pub(super) struct Target {
    id: TokenId,
    /// When the token expires, if that is known.
    expires_at: Option<Timestamp>,
}

/// Revokes a token and returns the text to print. `url` is the server, and `origin` names what gave it.
pub(super) async fn run(
    authority: &impl TokenAuthority,
    target: &Target,
    (url, origin): (&str, &'static str),
) -> Result<String, ClientError> {
    let outcome = revoke_at_server(authority, (url, origin), target).await;
    let is_of_other_machine = !address::parse(url).is_ok_and(|url| address::is_loopback(&url));
    let (url, id) = (address::without_password(url), &target.id);
    match outcome {
        Ok(()) => Ok(format!("revoked {id} at {url}")),
        Err(ClientError::Retryable(RetryableError {
            is_unreachable: true,
            reason,
            ..
        })) if is_of_other_machine && authority.is_store_local() => {
            Err(ClientError::Retryable(RetryableError::new(format!(
                "{reason}; nothing is revoked, as the store of this machine is not that server's"
            ))))
        }
        Err(ClientError::Retryable(RetryableError {
            is_unreachable: true,
            reason: unreachable,
            ..
        })) => {
            let outcome = authority.revoke_in_store(SUBJECT, id, target.expires_at);
            match outcome.await {
                Ok(store) => Ok(format!("revoked {id} in {store}: {unreachable}")),
                Err(reason) => Err(ClientError::Retryable(RetryableError::new(format!(
                    "{unreachable} (--url or POSTHORN_URL names another server); in the store: {reason}"
                )))),
            }
        }
        Err(ClientError::Retryable(error)) => Err(ClientError::Retryable(RetryableError {
            reason: format!("{url}: {error}"),
            ..error
        })),
        Err(error @ ClientError::Address { .. }) => Err(error),
        Err(error) => Err(ClientError::Local(format!("{url}: {error}"))),
    }
}

/// Parses a token, which contains its expiry, or an id.
///
/// # Errors
/// A text for people, without a token.
pub(super) fn target(authority: &impl TokenAuthority, text: &str) -> Result<Target, String> {
    if let Ok(claims) = authority.peek(text) {
        return Ok(Target {
            id: claims.id,
            expires_at: Some(claims.expires_at),
        });
    }
    // An id may begin so too, but is hardly ever one: a part of a token would be revoked without an effect.
    if text.starts_with(TOKEN_START) {
        return Err("neither a whole token nor an id: it begins as a token does".to_owned());
    }
    let id = TokenId::parse(text).map_err(|error| format!("neither a token nor an id: {error}"))?;
    Ok(Target {
        id,
        expires_at: None,
    })
}

/// Sends the request to the server at `url`, with a token issued for it.
async fn revoke_at_server(
    authority: &impl TokenAuthority,
    (url, origin): (&str, &'static str),
    target: &Target,
) -> Result<(), ClientError> {
    let subject = Subject::parse(SUBJECT).map_err(ClientError::local)?;
    let scopes = [Scope::Revoke].into_iter().collect();
    let token = authority.issue(subject, scopes, Vec::new(), TOKEN_LIFETIME);
    let client = ApiClient::new(url, Some(token.map_err(ClientError::Local)?))?;
    let client = client.with_origin(origin);
    client.revoke_token(&target.id, target.expires_at).await
}
