//! Access control: decides on a request by the policy and its token.

mod failures;
mod grant;
mod policy;
mod refusal;

use std::net::IpAddr;
use std::sync::Arc;

use posthorn_domain::{Claims, Timestamp, TokenId, Topic};

use crate::ports::backend_error::BackendError;
use crate::ports::clock::Clock;
use crate::ports::revocation_list::RevocationList;
use crate::ports::token_verifier::{TokenError, TokenVerifier};
pub use failures::FailureLimit;
pub use grant::Grant;
pub use policy::{AccessPolicy, Action};
pub use refusal::{Refusal, RefusedRequest};

/// The credentials in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// No credentials.
    None,
    /// A bearer token.
    Bearer(&'a str),
    /// Credentials that are not a token.
    Malformed,
}

/// The parts of a request that decide on access.
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// The action.
    pub action: Action,
    /// The topic in the path, if there is one.
    pub topic: Option<&'a Topic>,
    /// The credentials, not verified yet.
    pub credentials: Credentials<'a>,
    /// The client's address, after the trusted proxies.
    pub address: IpAddr,
}

/// Decides on requests.
pub struct AccessControl {
    policy: AccessPolicy,
    verifier: Arc<dyn TokenVerifier>,
    revocations: Arc<dyn RevocationList>,
    failures: FailureLimit,
    clock: Arc<dyn Clock>,
}

impl AccessControl {
    /// Decides by `policy`. `verifier` verifies tokens, `revocations` lists revoked ones, and
    /// `failures` limits the rejected tokens of a client.
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

    /// The policy.
    pub fn policy(&self) -> AccessPolicy {
        self.policy
    }

    /// Decides on one request, before it is processed further.
    ///
    /// A token must be valid even where none is needed (RFC 6750, 3.1), so that a client learns of
    /// its invalid token. Rejected tokens of other clients at the same address never affect a valid
    /// token.
    ///
    /// # Errors
    /// Why the request is rejected.
    pub async fn decide(&self, request: AccessRequest<'_>) -> Result<Grant, RefusedRequest> {
        let needed = self.policy.needs(request.action);
        let claims = match (request.action, request.credentials) {
            (Action::Unchecked, _) => return Ok(Grant::ANONYMOUS),
            (_, Credentials::None) => {
                return needed.map_or_else(
                    || Ok(Grant::ANONYMOUS),
                    |scope| Err(Refusal::Missing(scope).into()),
                );
            }
            (_, Credentials::Malformed) => Err(TokenError::Malformed),
            (_, Credentials::Bearer(token)) => self.verifier.verify(token),
        };
        let claims = match claims {
            Ok(claims) if !self.is_revoked(&claims.id).await? => claims,
            Ok(_) => return Err(self.failed(request.address, Refusal::Revoked).await.into()),
            Err(error) => {
                let refusal = Refusal::Invalid(error);
                return Err(self.failed(request.address, refusal).await.into());
            }
        };
        let claims: Arc<Claims> = Arc::new(claims);
        let refused = |refusal| RefusedRequest {
            refusal,
            claims: Some(Arc::clone(&claims)),
        };
        let grant = Grant::of(Arc::clone(&claims), needed).map_err(refused)?;
        if let Some(topic) = request.topic {
            grant.check_topic(topic).map_err(refused)?;
        }
        Ok(grant)
    }

    /// Checks periodically that the grant of an open stream is still valid. While the revocation list
    /// is unavailable, it is.
    ///
    /// # Errors
    /// The token has expired or was revoked.
    pub async fn still_holds(&self, grant: &Grant) -> Result<(), Refusal> {
        let Some(claims) = grant.claims() else {
            return Ok(());
        };
        if self.clock.now() >= claims.valid_until() {
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

    /// Revokes the token with this id for the longest lifetime of a token, and until `expires_at` if that is later.
    ///
    /// # Errors
    /// The revocation list failed.
    pub async fn revoke(
        &self,
        id: &TokenId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), BackendError> {
        let until = TokenId::revoked_until(self.clock.now(), expires_at);
        self.revocations.revoke(id, until).await
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, Refusal> {
        let revocations = self.revocations.is_revoked(id).await;
        revocations.map_err(Refusal::Unavailable)
    }

    /// Counts a rejected token of the client. Beyond the limit, the refusal is the throttling.
    async fn failed(&self, address: IpAddr, refusal: Refusal) -> Refusal {
        match self.failures.count(address).await {
            Some(decision) => Refusal::Throttled(decision),
            None => refusal,
        }
    }
}
