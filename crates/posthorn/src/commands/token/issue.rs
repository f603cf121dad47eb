//! Issues a token.

use std::time::Duration;

use posthorn_domain::{Scope, Scopes, Subject, TokenId, TopicPattern};
use posthorn_jwt::{JwtTokens, NewToken};

/// Issues a token with a new id.
pub(super) fn issue(
    tokens: &JwtTokens,
    subject: Subject,
    scopes: impl IntoIterator<Item = Scope>,
    topics: Vec<TopicPattern>,
    ttl: Duration,
) -> Result<String, String> {
    let id = uuid::Uuid::now_v7().to_string();
    let token = NewToken {
        id: TokenId::parse(&id).map_err(|error| error.to_string())?,
        subject,
        scopes: scopes.into_iter().collect::<Scopes>(),
        topics,
        ttl,
    };
    tokens.issue(&token).map_err(|error| error.to_string())
}
