//! Who may do what: the one place that weighs a request against the policy and its token.

mod failures;
mod grant;

use std::net::IpAddr;
use std::sync::Arc;

use posthorn_domain::{Scope, Timestamp, TokenId, Topic};

use crate::ports::backend_error::BackendError;
use crate::ports::clock::Clock;
use crate::ports::quota_counter::QuotaDecision;
use crate::ports::revocation_list::RevocationList;
use crate::ports::token_verifier::{MAX_TOKEN_LIFETIME, TOKEN_LEEWAY, TokenError, TokenVerifier};
pub use failures::FailureLimit;
pub use grant::Grant;

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To send a message.
    Write,
    /// To read topics, messages or a stream.
    Read,
    /// To delete a message.
    Delete,
    /// To revoke a token.
    Revoke,
    /// Something that never needs a token; one that is shown has to be valid.
    Open,
    /// Something that never looks at a token: probes, metrics, pages.
    Unchecked,
}

/// Which actions need a token. Revoking always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    reads_and_deletes: bool,
    writes: bool,
}

/// What a request says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// Nothing.
    None,
    /// This token.
    Bearer(&'a str),
    /// Something that is no token.
    Malformed,
}

/// A request, as access is decided.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// What it wants to do.
    pub action: Action,
    /// On which topic, where its path names one.
    pub topic: Option<&'a Topic>,
    /// Who sends it, by its own words.
    pub credentials: Credentials<'a>,
    /// Where it comes from, as far as proxies are trusted to tell it.
    pub address: IpAddr,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A token with this scope is needed, and there is none.
    Missing(Scope),
    /// The token is not valid.
    Invalid(TokenError),
    /// The token was revoked.
    Revoked,
    /// The token lacks this scope.
    Scope(Scope),
    /// The token has the scope, but not on this topic.
    Topic(Scope, Topic),
    /// The client sent too many tokens that were refused: more than these limits take.
    Throttled(QuotaDecision),
    /// Whether the token was revoked cannot be found out.
    Unavailable(BackendError),
}

/// Decides about requests.
pub struct AccessControl {
    policy: AccessPolicy,
    verifier: Arc<dyn TokenVerifier>,
    revocations: Arc<dyn RevocationList>,
    failures: FailureLimit,
    clock: Arc<dyn Clock>,
}

impl Action {
    /// The scope that permits it, if one does.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Write => Some(Scope::Write),
            Self::Read => Some(Scope::Read),
            Self::Delete => Some(Scope::Delete),
            Self::Revoke => Some(Scope::Revoke),
            Self::Open | Self::Unchecked => None,
        }
    }
}

impl AccessPolicy {
    /// Everybody may read, send and delete.
    pub const OPEN: Self = Self {
        reads_and_deletes: false,
        writes: false,
    };

    /// Reading and deleting need a token, and sending too when `writes` says so.
    pub const fn protected(writes: bool) -> Self {
        Self {
            reads_and_deletes: true,
            writes,
        }
    }

    /// Whether everybody may read and delete.
    pub const fn is_open(self) -> bool {
        !self.reads_and_deletes
    }

    /// The scope that `action` needs.
    pub const fn needs(self, action: Action) -> Option<Scope> {
        let needed = match action {
            Action::Write => self.writes,
            Action::Read | Action::Delete => self.reads_and_deletes,
            Action::Revoke => true,
            Action::Open | Action::Unchecked => false,
        };
        if needed { action.scope() } else { None }
    }
}

impl Refusal {
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

impl AccessControl {
    /// Decides by `policy`; tokens are checked by `verifier` and looked up in `revocations`, and what
    /// clients get wrong is counted in `failures`.
    pub fn new(
        policy: AccessPolicy,
        verifier: Arc<dyn TokenVerifier>,
        revocations: Arc<dyn RevocationList>,
        failures: FailureLimit,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            policy,
            verifier,
            revocations,
            failures,
            clock,
        }
    }

    /// Which actions need a token.
    pub fn policy(&self) -> AccessPolicy {
        self.policy
    }

    /// Decides about one request, before anything else is done for it.
    ///
    /// A token that is shown has to be valid also where none is needed (RFC 6750, 3.1): a client
    /// that believes to be someone hears that it is not. A token that is valid never suffers from
    /// what others at the same address got wrong.
    ///
    /// # Errors
    /// Why the request is refused.
    pub async fn decide(&self, request: AccessRequest<'_>) -> Result<Grant, Refusal> {
        let needed = self.policy.needs(request.action);
        let claims = match (request.action, request.credentials) {
            (Action::Unchecked, _) => return Ok(Grant::ANONYMOUS),
            (_, Credentials::None) => {
                return needed.map_or_else(
                    || Ok(Grant::ANONYMOUS),
                    |scope| Err(Refusal::Missing(scope)),
                );
            }
            (_, Credentials::Malformed) => Err(TokenError::Malformed),
            (_, Credentials::Bearer(token)) => self.verifier.verify(token),
        };
        let claims = match claims {
            Ok(claims) if !self.is_revoked(&claims.id).await? => claims,
            Ok(_) => return Err(self.failed(request.address, Refusal::Revoked).await),
            Err(error) => {
                let refusal = Refusal::Invalid(error);
                return Err(self.failed(request.address, refusal).await);
            }
        };
        let grant = Grant::of(claims, needed)?;
        if let Some(topic) = request.topic {
            grant.check_topic(topic)?;
        }
        Ok(grant)
    }

    /// Whether what was granted still holds: it is asked again and again while a stream is open.
    ///
    /// # Errors
    /// The token has ended or was revoked. When that cannot be found out it goes on.
    pub async fn still_holds(&self, grant: &Grant) -> Result<(), Refusal> {
        let Some(claims) = grant.claims() else {
            return Ok(());
        };
        if self.clock.now() >= claims.taken_until() {
            return Err(Refusal::Invalid(TokenError::Expired));
        }
        match self.revocations.is_revoked(&claims.id).await {
            Ok(true) => Err(Refusal::Revoked),
            Ok(false) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "the revocation list is unavailable, keeping the stream open");
                Ok(())
            }
        }
    }

    /// Revokes the token called `id` until it would have ended by itself: `expires_at`, or the
    /// longest lifetime of a token when that is not known.
    ///
    /// # Errors
    /// The revocation list failed.
    pub async fn revoke(
        &self,
        id: &TokenId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), BackendError> {
        let latest = self.clock.now().saturating_add(MAX_TOKEN_LIFETIME);
        let end = expires_at.map_or(latest, |end| end.min(latest));
        // A token is taken a little after its end.
        self.revocations
            .revoke(id, end.saturating_add(TOKEN_LEEWAY))
            .await
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, Refusal> {
        let revocations = self.revocations.is_revoked(id).await;
        revocations.map_err(Refusal::Unavailable)
    }

    /// Counts a failure of the client; past its limit that is what it hears.
    async fn failed(&self, address: IpAddr, refusal: Refusal) -> Refusal {
        match self.failures.count(address).await {
            Some(decision) => Refusal::Throttled(decision),
            None => refusal,
        }
    }
}
