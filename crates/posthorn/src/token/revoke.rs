//! `posthorn token revoke`: through a server, or in the store when there is none.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, MAX_TOKEN_LIFETIME, RevocationList, TOKEN_LEEWAY};
use posthorn_domain::{Scope, Subject, Timestamp, TokenId};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings, OpenError};
use posthorn_redis::RedisSettings;

use crate::client::{self, ClientError, Server};
use crate::compose::{access, store};
use crate::config::{Settings, StoreUrl};
use crate::healthcheck;
use crate::run::{runtime, start_telemetry};

/// As whom the server is asked.
const SUBJECT: &str = "posthorn-token-revoke";
/// For how long it may be asked with the token made for that.
const ASK_FOR: Duration = Duration::from_mins(1);

/// What to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    id: TokenId,
    /// When the token ends, if that is known.
    expires_at: Option<Timestamp>,
}

impl Target {
    /// An id, remembered for `ttl` if that was said, or a whole token, which knows its end.
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

/// Revokes a token; gives what to say about it.
pub(super) fn revoke(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    url: Option<String>,
    target: &Target,
) -> Result<String, String> {
    let runtime = runtime().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let url = url.unwrap_or_else(|| healthcheck::base_url(settings));
        let asked = ask(settings, clock, &url, target).await;
        let url = client::shown(&url);
        match asked {
            Ok(()) => Ok(format!("revoked {} at {url}", target.id)),
            Err(ClientError::Unreachable(..)) => {
                let place = in_store(settings, clock, target).await;
                let place =
                    place.map_err(|reason| format!("no server answers at {url}, and {reason}"))?;
                Ok(format!(
                    "revoked {} in {place}: no server answers at {url}",
                    target.id
                ))
            }
            Err(error) => Err(format!("{url}: {error}")),
        }
    })
}

/// Asks the server at `url`, with a token made for that.
async fn ask(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    url: &str,
    target: &Target,
) -> Result<(), ClientError> {
    let local = |error: &dyn std::fmt::Display| ClientError::Local(error.to_string());
    let subject = Subject::parse(SUBJECT).map_err(|error| local(&error))?;
    let tokens = access::tokens(settings, clock);
    let token = super::issue(&tokens, subject, [Scope::Revoke], Vec::new(), ASK_FOR);
    let server = Server::new(url, Some(token.map_err(|error| local(&error))?))?;
    client::revoke(&server, &target.id, target.expires_at).await
}

/// Writes into the store, which no server has open; says where.
async fn in_store(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    target: &Target,
) -> Result<String, String> {
    // The event of the audit trail has no server to write it.
    let _telemetry = start_telemetry(settings)?;
    let latest = clock.now().saturating_add(MAX_TOKEN_LIFETIME);
    let end = target.expires_at.map_or(latest, |end| end.min(latest));
    let until = end.saturating_add(TOKEN_LEEWAY);
    let place = match &settings.store.url {
        StoreUrl::Memory => return Err("the store `memory:` ends with its process".to_owned()),
        StoreUrl::File(path) => {
            in_file(path, clock, target, until).await?;
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
    Ok(place)
}

async fn in_file(
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
            format!("{error}: name the server that uses it by --url or POSTHORN_URL")
        }
        error => error.to_string(),
    })?;
    let outcome = store.revoke(&target.id, until).await;
    posthorn_application::MessageStore::close(&store).await;
    outcome.map_err(|error| error.to_string())
}
