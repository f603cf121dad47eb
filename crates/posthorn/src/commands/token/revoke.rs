//! `posthorn token revoke`: through a server, or in the store if no server is reachable.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, MAX_TOKEN_LIFETIME, MessageStore, RevocationList, TOKEN_LEEWAY};
use posthorn_client::{ApiClient, ClientError, RetryableError, without_password};
use posthorn_config::{Settings, StoreUrl};
use posthorn_domain::{Scope, Subject, Timestamp, TokenId};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings, OpenError};
use posthorn_redis::RedisSettings;

use super::issue::issue;
use crate::compose::{access, store};
use crate::{runtime, telemetry};

/// The subject of the token that authorizes the request.
const SUBJECT: &str = "posthorn-token-revoke";
/// The lifetime of that token.
const TOKEN_LIFETIME: Duration = Duration::from_mins(1);

/// The token to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    id: TokenId,
    /// When the token expires, if that is known.
    expires_at: Option<Timestamp>,
}

impl Target {
    /// Parses a token, which contains its expiry, or an id. The revocation of an id is stored for
    /// `ttl`, if there is one.
    pub(super) fn parse(
        text: &str,
        ttl: Option<Duration>,
        clock: &dyn Clock,
    ) -> Result<Self, String> {
        if let Ok(claims) = posthorn_jwt::peek(text) {
            return Ok(Self {
                id: claims.id,
                expires_at: Some(claims.expires_at),
            });
        }
        let id =
            TokenId::parse(text).map_err(|error| format!("neither a token nor an id: {error}"))?;
        let expires_at = ttl.map(|ttl| clock.now().saturating_add(ttl));
        Ok(Self { id, expires_at })
    }
}

/// Revokes a token; returns the text to print.
pub(super) fn revoke(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    url: Option<String>,
    target: &Target,
) -> Result<String, String> {
    let runtime = runtime::build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let url = url.unwrap_or_else(|| settings.listen.local_url());
        let outcome = revoke_at_server(settings, clock, &url, target).await;
        let (url, id) = (without_password(&url), &target.id);
        match outcome {
            Ok(()) => Ok(format!("revoked {id} at {url}")),
            Err(ClientError::Retryable(RetryableError {
                is_unreachable: true,
                ..
            })) => match revoke_in_store(settings, clock, target).await {
                Ok(store) => Ok(format!(
                    "revoked {id} in {store}: no server responds at {url}"
                )),
                Err(reason) => Err(format!("no server responds at {url}, and {reason}")),
            },
            Err(error) => Err(format!("{url}: {error}")),
        }
    })
}

/// Sends the request to the server at `url`, with a token issued for it.
async fn revoke_at_server(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    url: &str,
    target: &Target,
) -> Result<(), ClientError> {
    let subject = Subject::parse(SUBJECT).map_err(|error| ClientError::Local(error.to_string()))?;
    let tokens = access::tokens(settings, clock);
    let token = issue(
        &tokens,
        subject,
        [Scope::Revoke],
        Vec::new(),
        TOKEN_LIFETIME,
    );
    let client = ApiClient::new(url, Some(token.map_err(ClientError::Local)?))?;
    client.revoke_token(&target.id, target.expires_at).await
}

/// Writes to the store, which no server has open; returns its name.
async fn revoke_in_store(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    target: &Target,
) -> Result<String, String> {
    // No server writes the audit event, so that this process does.
    let _telemetry = telemetry::start(settings)?;
    let latest = clock.now().saturating_add(MAX_TOKEN_LIFETIME);
    let end = target.expires_at.map_or(latest, |end| end.min(latest));
    let until = end.saturating_add(TOKEN_LEEWAY);
    let store = match &settings.store.store_url {
        StoreUrl::Memory => return Err("the store `memory:` ends with its process".to_owned()),
        StoreUrl::File(path) => {
            revoke_in_file(path, clock, target, until).await?;
            path.display().to_string()
        }
        StoreUrl::Redis(url) => {
            let redis = RedisSettings::new(url.clone());
            let list = store::revocation_list(&redis, clock).map_err(|error| error.to_string())?;
            let outcome = list.revoke(&target.id, until).await;
            outcome.map_err(|error| error.to_string())?;
            redis.masked_url()
        }
    };
    let (request_id, object) = (uuid::Uuid::now_v7().to_string(), target.id.as_str());
    tracing::info!(
        target: "audit",
        request_id, client = "local", subject = SUBJECT, token = "", deed = "revoke-token", object,
        outcome = "done", "audit"
    );
    Ok(store)
}

async fn revoke_in_file(
    path: &Path,
    clock: &Arc<dyn Clock>,
    target: &Target,
    until: Timestamp,
) -> Result<(), String> {
    if !path.exists() {
        return Err(format!("there is no store at {}", path.display()));
    }
    let settings = EmbeddedStoreSettings::new(path.to_path_buf());
    let store = EmbeddedStore::open(&settings, Arc::clone(clock)).map_err(|error| match error {
        OpenError::Locked(_) => {
            format!("{error}: set --url or POSTHORN_URL to the server that uses it")
        }
        error => error.to_string(),
    })?;
    let outcome = store.revoke(&target.id, until).await;
    store.close().await;
    outcome.map_err(|error| error.to_string())
}
