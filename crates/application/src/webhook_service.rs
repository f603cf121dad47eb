//! Setting up webhooks and looking after them.

mod error;
mod ports;
mod reencrypt;
mod replay;
mod settings_tag;
mod test_request;

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    AddressPolicy, ConsumerKey, ConsumerPosition, SettingsTag, Topic, WebhookAttempt,
    WebhookHeaders, WebhookPrivate, WebhookSecret, WebhookSettings,
};

use crate::ports::consumer_store::{ConsumerError, Precondition};
use crate::ports::message_store::StoreError;
use crate::ports::webhook_store::{PutWebhook, WebhookRecord, WebhookStatus};
use crate::ports::webhook_vault::VaultError;
use crate::webhook_dispatcher::WebhookDispatcher;

pub use error::WebhookError;
pub use ports::WebhookServicePorts;
pub use replay::{Replay, ReplayBound};
pub use test_request::WebhookTested;

/// How often a change starts again because another change came in between. Each time one of them succeeded.
const MAX_CONFLICTS: usize = 100;

/// The use cases of webhooks. Dead letters, their redrive and deletion are those of the consumer
/// that a webhook is: [`crate::ConsumerService`] serves them for keys of
/// [`posthorn_domain::ConsumerKind::Webhook`].
pub struct WebhookService {
    ports: WebhookServicePorts,
    addresses: AddressPolicy,
    dispatcher: Option<Arc<WebhookDispatcher>>,
}

/// What a webhook is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookChange {
    /// All settings.
    pub settings: WebhookSettings,
    /// All header fields.
    pub headers: WebhookHeaders,
    /// The secret. If absent, a webhook that exists keeps its secret, and a new one gets a random
    /// secret.
    pub secret: Option<WebhookSecret>,
    /// The position; counts only when the webhook is created.
    pub start: ConsumerPosition,
    /// The state that the client expects.
    pub precondition: Precondition,
}

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookChanged {
    /// Whether the webhook was created.
    pub created: bool,
    /// Its state afterwards.
    pub webhook: WebhookView,
    /// The secret, if this call drew it: it is shown once.
    pub secret: Option<WebhookSecret>,
}

/// A webhook as it is shown: without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookView {
    /// Settings, health and counts.
    pub status: WebhookStatus,
    /// The names of its header fields, in lower case and by name. Empty if the secrets cannot be
    /// decrypted.
    pub header_names: Vec<String>,
    /// Why the secrets cannot be decrypted: then nothing is delivered.
    pub unusable: Option<VaultError>,
}

/// A webhook as it was read, with its secrets; `None` if it does not exist.
type Current = Option<(SettingsTag, WebhookPrivate)>;

/// The client's precondition did not fail: another try may succeed.
fn too_many_conflicts() -> WebhookError {
    let text = "the webhook is changed too often".to_owned();
    ConsumerError::Store(StoreError::Unavailable(text)).into()
}

impl WebhookService {
    /// A service that refuses URLs with an address that `addresses` forbids.
    pub fn new(ports: WebhookServicePorts, addresses: AddressPolicy) -> Self {
        Self {
            ports,
            addresses,
            dispatcher: None,
        }
    }

    /// Lets every change return only once `dispatcher` follows it. Other processes follow a moment
    /// later.
    #[must_use]
    pub fn followed_by(mut self, dispatcher: Arc<WebhookDispatcher>) -> Self {
        self.dispatcher = Some(dispatcher);
        self
    }

    /// Creates the webhook, or replaces all its settings and header fields, and its secret if there
    /// is one in `change`: the secret before it is dropped at once.
    ///
    /// # Errors
    /// As [`crate::ConsumerStore::put`], and [`WebhookError::NoLastingKey`],
    /// [`WebhookError::ForbiddenAddress`], [`WebhookError::Vault`].
    pub async fn put(
        &self,
        key: &ConsumerKey,
        change: WebhookChange,
    ) -> Result<WebhookChanged, WebhookError> {
        if let Some(address) = change.settings.url.address() {
            self.addresses.check(address)?;
        }
        for _ in 0..MAX_CONFLICTS {
            let current = self.current(key, change.secret.is_some()).await?;
            if !change
                .precondition
                .holds(current.as_ref().map(|(tag, _)| *tag))
            {
                return Err(ConsumerError::PreconditionFailed.into());
            }
            let (private, drawn) = self.changed_private(current.as_ref(), &change)?;
            let settings = change.settings.clone();
            match self
                .write(key, current, settings, &private, change.start)
                .await
            {
                // Another change came in between: decide again by what is there now.
                Err(WebhookError::Consumer(ConsumerError::PreconditionFailed)) => {}
                Err(error) => return Err(error),
                Ok((created, webhook)) => {
                    self.follow(key).await;
                    let secret = drawn.then_some(private.secret);
                    return Ok(WebhookChanged {
                        created,
                        webhook,
                        secret,
                    });
                }
            }
        }
        Err(too_many_conflicts())
    }

    /// Settings, health and counts.
    pub async fn get(&self, key: &ConsumerKey) -> Result<WebhookView, WebhookError> {
        Ok(self.view(self.ports.webhooks.webhook(key).await?))
    }

    /// The webhooks of `topic`, by name; at most 64.
    pub async fn list(&self, topic: &Topic) -> Result<Vec<WebhookView>, StoreError> {
        let webhooks = self.ports.webhooks.webhooks(topic).await?;
        Ok(webhooks
            .into_iter()
            .map(|status| self.view(status))
            .collect())
    }

    /// Removes the webhook with its leases and dead letters.
    pub async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), WebhookError> {
        self.ports.consumers.delete(key, precondition).await?;
        self.follow(key).await;
        Ok(())
    }

    /// Draws a new secret. The one before it signs too for `grace`, and those before that until their own grace is
    /// over: the response of a rotation may be lost. If `grace` is zero, none of them signs.
    ///
    /// # Errors
    /// [`ConsumerError::NotFound`], [`ConsumerError::PreconditionFailed`],
    /// [`WebhookError::NoLastingKey`], [`WebhookError::Vault`].
    pub async fn rotate_secret(
        &self,
        key: &ConsumerKey,
        grace: Duration,
        precondition: &Precondition,
    ) -> Result<WebhookChanged, WebhookError> {
        for _ in 0..MAX_CONFLICTS {
            let status = self.ports.webhooks.webhook(key).await?;
            let tag = status.consumer.tag;
            if !precondition.holds(Some(tag)) {
                return Err(ConsumerError::PreconditionFailed.into());
            }
            let mut private = self.open(key, &status)?;
            let secret = self.draw_secret()?;
            let now = self.ports.clock.now();
            let until = (!grace.is_zero()).then(|| now.saturating_add(grace));
            private.rotate(secret.clone(), now, until);
            let settings = status.record.settings;
            let current = Some((tag, private.clone()));
            let start = ConsumerPosition::default();
            match self.write(key, current, settings, &private, start).await {
                Err(WebhookError::Consumer(ConsumerError::PreconditionFailed)) => {}
                Err(error) => return Err(error),
                Ok((created, webhook)) => {
                    self.follow(key).await;
                    return Ok(WebhookChanged {
                        created,
                        webhook,
                        secret: Some(secret),
                    });
                }
            }
        }
        Err(too_many_conflicts())
    }

    /// Enables a webhook that was disabled; an enabled one stays as it is.
    pub async fn enable(&self, key: &ConsumerKey) -> Result<WebhookView, WebhookError> {
        self.ports.webhooks.set_disabled(key, None, None).await?;
        self.follow(key).await;
        self.get(key).await
    }

    /// The last 100 attempts, the newest first.
    pub async fn attempts(&self, key: &ConsumerKey) -> Result<Vec<WebhookAttempt>, WebhookError> {
        Ok(self.ports.webhooks.attempts(key).await?)
    }

    /// Sends one signed request that is no message, and returns its outcome.
    pub async fn test(&self, key: &ConsumerKey) -> Result<WebhookTested, WebhookError> {
        let status = self.ports.webhooks.webhook(key).await?;
        let private = self.open(key, &status)?;
        let tested = test_request::send(&self.ports, key, &status.record.settings, &private);
        Ok(tested.await)
    }

    /// Makes settled messages wait again, and returns how many. Dead letters stay dead.
    pub async fn replay(&self, key: &ConsumerKey, replay: Replay) -> Result<u64, WebhookError> {
        // A consumer without a record is no webhook.
        self.ports.webhooks.webhook(key).await?;
        replay::run(&*self.ports.webhooks, key, replay).await
    }

    async fn follow(&self, key: &ConsumerKey) {
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.follow(key).await;
        }
    }

    /// The webhook as it is. With a new secret in hand, one whose secrets cannot be decrypted is as
    /// good as one without any: that is how an operator recovers from a lost key.
    async fn current(
        &self,
        key: &ConsumerKey,
        has_new_secret: bool,
    ) -> Result<Current, WebhookError> {
        let status = match self.ports.webhooks.webhook(key).await {
            Ok(status) => status,
            Err(ConsumerError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let private = match self.open(key, &status) {
            Err(WebhookError::Vault(_)) if has_new_secret => WebhookPrivate {
                secret: self.draw_secret()?,
                previous: Vec::new(),
                headers: WebhookHeaders::default(),
                salt: self.draw_bytes(),
            },
            opened => opened?,
        };
        Ok(Some((status.consumer.tag, private)))
    }

    /// What the webhook is to keep private, and whether its secret was drawn now.
    fn changed_private(
        &self,
        current: Option<&(SettingsTag, WebhookPrivate)>,
        change: &WebhookChange,
    ) -> Result<(WebhookPrivate, bool), WebhookError> {
        let headers = change.headers.clone();
        let kept = current.map(|(_, private)| private);
        let (secret, previous, is_drawn) = match (&change.secret, kept) {
            (Some(secret), Some(kept)) if *secret == kept.secret => {
                (secret.clone(), kept.previous.clone(), false)
            }
            (Some(secret), _) => (secret.clone(), Vec::new(), false),
            (None, Some(kept)) => (kept.secret.clone(), kept.previous.clone(), false),
            (None, None) => (self.draw_secret()?, Vec::new(), true),
        };
        let salt = kept.map_or_else(|| self.draw_bytes(), |kept| kept.salt);
        let private = WebhookPrivate {
            secret,
            previous,
            headers,
            salt,
        };
        Ok((private, is_drawn))
    }

    /// Stores the webhook if it is still as `current` has it.
    async fn write(
        &self,
        key: &ConsumerKey,
        current: Current,
        settings: WebhookSettings,
        private: &WebhookPrivate,
        start: ConsumerPosition,
    ) -> Result<(bool, WebhookView), WebhookError> {
        if !self.ports.vault.is_lasting() {
            return Err(WebhookError::NoLastingKey);
        }
        let put = PutWebhook {
            tag: settings_tag::of(&settings, private),
            record: WebhookRecord {
                sealed: self.ports.vault.seal(key, private)?,
                settings,
            },
            start,
            precondition: match current {
                Some((tag, _)) => Precondition::Matches(vec![tag]),
                None => Precondition::Absent,
            },
        };
        let put = self.ports.webhooks.put_webhook(key, put).await?;
        Ok((put.created, self.view(put.status)))
    }

    fn open(
        &self,
        key: &ConsumerKey,
        status: &WebhookStatus,
    ) -> Result<WebhookPrivate, WebhookError> {
        Ok(self.ports.vault.open(key, &status.record.sealed)?.private)
    }

    fn view(&self, status: WebhookStatus) -> WebhookView {
        let opened = self
            .ports
            .vault
            .open(&status.consumer.key, &status.record.sealed);
        let unusable = opened.as_ref().err().copied();
        let names = opened.map(|opened| {
            let headers = opened.private.headers.iter();
            headers.map(|(name, _)| name.to_owned()).collect()
        });
        WebhookView {
            header_names: names.unwrap_or_default(),
            unusable,
            status,
        }
    }

    /// A secret of 32 random bytes.
    fn draw_secret(&self) -> Result<WebhookSecret, WebhookError> {
        let secret = WebhookSecret::from_bytes(&self.draw_bytes::<32>());
        secret.map_err(|_| VaultError::Random.into())
    }

    fn draw_bytes<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        for chunk in bytes.chunks_mut(size_of::<u64>()) {
            let drawn = self.ports.random.bits().to_le_bytes();
            for (byte, drawn) in chunk.iter_mut().zip(drawn) {
                *byte = drawn;
            }
        }
        bytes
    }
}
