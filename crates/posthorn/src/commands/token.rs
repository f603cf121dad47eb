//! `posthorn token`: the keys and the store behind the commands of the client.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, MessageStore, RevocationList, TokenVerifier};
use posthorn_client::{TokenAuthority, TokenCommand, fail};
use posthorn_config::{Settings, StoreUrl};
use posthorn_domain::{Claims, Durability, Scopes, Subject, Timestamp, TokenId, TopicPattern};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings, OpenError};
use posthorn_jwt::{JwtTokens, NewToken};
use posthorn_redis::{RedisRevocationList, RedisStore, RedisStoreSettings};
use posthorn_system::SystemClock;

use super::runtime::{BAD_CONFIGURATION, block_on};
use crate::compose::access;

/// The error of the commands that need a key.
const NO_KEY: &str = "SECRET_KEY is not set, and the store has no development key beside it. Set the \
    same SECRET_KEY (or SECRET_KEY_FILE) for the server and here. Outside production a server with a \
    `file:` store makes a key at its first start, which is used here with the same STORE_URL";

/// The keys and the store of the settings.
struct LocalAuthority {
    settings: Settings,
    clock: Arc<dyn Clock>,
    tokens: JwtTokens,
}

/// Runs a token command.
pub(super) fn run(mut settings: Settings, command: TokenCommand) -> ExitCode {
    let store = &settings.store.store_url;
    if let Err((path, error)) = settings.secret.read_development_key(store) {
        return fail(&format!("SECRET_KEY: {}: {error}", path.display()));
    }
    if command.needs_key() && settings.secret.key_is_random() {
        fail(&NO_KEY);
        return ExitCode::from(BAD_CONFIGURATION);
    }
    let local_url = settings.listen.local_url();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let authority = LocalAuthority {
        tokens: access::tokens(&settings, &clock),
        settings,
        clock,
    };
    block_on(command.run(&authority, &local_url))
}

impl TokenAuthority for LocalAuthority {
    fn issue(
        &self,
        subject: Subject,
        scopes: Scopes,
        topics: Vec<TopicPattern>,
        ttl: Duration,
    ) -> Result<String, String> {
        let id = uuid::Uuid::now_v7().to_string();
        let token = NewToken {
            id: TokenId::parse(&id).map_err(|error| error.to_string())?,
            subject,
            scopes,
            topics,
            ttl,
        };
        self.tokens.issue(&token).map_err(|error| error.to_string())
    }

    fn peek(&self, token: &str) -> Result<Claims, String> {
        posthorn_jwt::peek(token).map_err(|error| error.to_string())
    }

    fn verify(&self, token: &str) -> Result<(), String> {
        if self.settings.secret.key_is_random() {
            return Err(
                "SECRET_KEY is not set here, so that the signature cannot be checked".to_owned(),
            );
        }
        let verified = self.tokens.verify(token);
        verified.map(drop).map_err(|error| error.to_string())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn revoke_in_store(
        &self,
        subject: &str,
        id: &TokenId,
        expires_at: Option<Timestamp>,
    ) -> Result<String, String> {
        let Settings {
            app, log, traces, ..
        } = &self.settings;
        // No server writes the audit event, so that this process does.
        let _telemetry =
            posthorn_telemetry::init(&app.identity(), &log.settings(), traces.as_ref())
                .map_err(|error| error.to_string())?;
        let until = TokenId::revoked_until(self.clock.now(), expires_at);
        let store = match &self.settings.store.store_url {
            StoreUrl::Memory => return Err("the store `memory:` ends with its process".to_owned()),
            StoreUrl::File(path) if !path.exists() => {
                return Err(format!("there is no store at {}", path.display()));
            }
            StoreUrl::File(path) => {
                let settings = EmbeddedStoreSettings::new(path.clone());
                let store = EmbeddedStore::open(&settings, Arc::clone(&self.clock));
                let store = store.map_err(|error| open_error(&error))?;
                let outcome = store.revoke(id, until).await;
                store.close().await;
                outcome.map_err(|error| error.to_string())?;
                path.display().to_string()
            }
            StoreUrl::Redis(url) => {
                let section = &self.settings.store;
                let settings = RedisStoreSettings {
                    durability: section.store_durability.unwrap_or(Durability::Memory),
                    min_replicas: section.store_min_replicas,
                    ..RedisStoreSettings::new(url.clone())
                };
                let name = settings.redis.masked_url();
                let store = RedisStore::connect(settings).await;
                let store = Arc::new(store.map_err(|error| error.to_string())?);
                let list = RedisRevocationList::new(store, Arc::clone(&self.clock));
                let outcome = list.revoke(id, until).await;
                outcome.map_err(|error| error.to_string())?;
                name
            }
        };
        let (request_id, object) = (uuid::Uuid::now_v7().to_string(), id.as_str());
        tracing::info!(
            target: "audit",
            request_id, client = "local", subject, token = "", deed = "revoke-token", object,
            outcome = "done", "audit"
        );
        Ok(store)
    }
}

fn open_error(error: &OpenError) -> String {
    match error {
        OpenError::Locked(_) => {
            format!("{error}: set --url or POSTHORN_URL to the server that uses it")
        }
        error => error.to_string(),
    }
}
