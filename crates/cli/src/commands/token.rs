//! `posthorn token`: the keys and the store behind the commands of the client.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, NewToken, TokenIssuer};
use posthorn_client::{TokenAuthority, TokenCommand, fail};
use posthorn_config::{Settings, StoreUrl};
use posthorn_domain::{Claims, Scopes, Subject, Timestamp, TokenId, TopicPattern};
use posthorn_system::SystemClock;

use crate::installation::Installation;
use crate::runtime::{BAD_CONFIGURATION, block_on};

/// The error of the commands that need a key.
const NO_KEY: &str = "SECRET_KEY is not set, and the store has no development key beside it. Set the \
    same SECRET_KEY (or SECRET_KEY_FILE) for the server and here. Outside production a server with a \
    `file:` store makes a key at its first start, which is used here with the same STORE_URL";

/// The keys and the store of the settings.
struct LocalAuthority<'a, I> {
    installation: &'a I,
    settings: Settings,
    clock: Arc<dyn Clock>,
    tokens: Arc<dyn TokenIssuer>,
}

/// Runs a token command.
pub(super) fn run(
    installation: &impl Installation,
    mut settings: Settings,
    command: TokenCommand,
) -> ExitCode {
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
        tokens: installation.tokens(&settings, &clock),
        installation,
        settings,
        clock,
    };
    block_on(command.run(&authority, &local_url))
}

impl<I: Installation> TokenAuthority for LocalAuthority<'_, I> {
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
        self.tokens.peek(token).map_err(|error| error.to_string())
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

    fn is_store_local(&self) -> bool {
        !matches!(self.settings.store.store_url, StoreUrl::Redis(_))
    }

    async fn revoke_in_store(
        &self,
        subject: &str,
        id: &TokenId,
        expires_at: Option<Timestamp>,
    ) -> Result<String, String> {
        // No server writes the audit event, so that this process does.
        let _log = self.installation.start_log(&self.settings)?;
        let until = TokenId::revoked_until(self.clock.now(), expires_at);
        let store = &self.settings.store.store_url;
        match store {
            StoreUrl::Memory => return Err("the store `memory:` ends with its process".to_owned()),
            StoreUrl::File(path) if !path.exists() => {
                return Err(format!("there is no store at {}", path.display()));
            }
            StoreUrl::File(_) | StoreUrl::Redis(_) => {}
        }
        let opened = self.installation.open_store(&self.settings, &self.clock);
        let opened = opened.await?;
        let outcome = opened.revocations.revoke(id, until).await;
        opened.messages.close().await;
        outcome.map_err(|error| error.to_string())?;
        let (request_id, object) = (uuid::Uuid::now_v7().to_string(), id.as_str());
        tracing::info!(
            target: "audit",
            request_id, client = "local", sub = subject, action = "revoke-token", object,
            outcome = "done", "audit"
        );
        Ok(store.masked())
    }
}
