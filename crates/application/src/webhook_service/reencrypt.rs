//! Encrypting the secrets of all webhooks under a new key.

use std::time::Duration;

use posthorn_domain::{ConsumerPosition, Topic};

use super::WebhookService;
use super::error::WebhookError;
use crate::ports::consumer_store::ConsumerError;
use crate::ports::message_store::PageLimit;
use crate::ports::webhook_store::WebhookStatus;

/// The time between two looks for secrets that are encrypted under the previous key.
const REENCRYPT_INTERVAL: Duration = Duration::from_mins(1);

impl WebhookService {
    /// Encrypts the secrets of webhooks again every minute, for ever. While a rotation is rolled out, a
    /// process that has the previous key only may change a webhook after this one has started.
    pub async fn keep_reencrypting(&self) {
        loop {
            self.ports.clock.sleep(REENCRYPT_INTERVAL).await;
            self.reencrypt_and_log().await;
        }
    }

    /// Encrypts the secrets of webhooks again, as [`WebhookService::reencrypt`] does. A failure is logged:
    /// the next time tries again, and the previous key still decrypts.
    pub async fn reencrypt_and_log(&self) {
        match self.reencrypt().await {
            Ok(0) => {}
            Ok(webhooks) => tracing::info!(webhooks, "the secrets of webhooks are encrypted again"),
            Err(error) => {
                tracing::warn!(%error, "the secrets of webhooks could not all be encrypted again");
            }
        }
    }

    /// Encrypts the secrets again that were encrypted under the previous key, and returns how many
    /// webhooks that were.
    ///
    /// # Errors
    /// [`WebhookError::Consumer`] if the store failed (at once) or a topic is damaged (after all other topics were
    /// processed); [`WebhookError::NoLastingKey`] or [`WebhookError::Vault`] if secrets cannot be encrypted (after all
    /// other topics too). A webhook whose secrets cannot be decrypted stays as it is; its worker logs that.
    pub async fn reencrypt(&self) -> Result<u64, WebhookError> {
        let mut count = 0;
        let mut after = None;
        let mut damaged = Ok(());
        loop {
            let consumers = &self.ports.consumers;
            let topics = consumers
                .topics_with_consumers(after.as_ref(), PageLimit::MAX)
                .await
                .map_err(ConsumerError::from)?;
            for topic in &topics {
                match self.reencrypt_topic(topic, &mut count).await {
                    // The store is away: the next round tries all again.
                    Err(WebhookError::Consumer(ConsumerError::Store(error)))
                        if error.is_transient() =>
                    {
                        return Err(ConsumerError::Store(error).into());
                    }
                    Err(error) => damaged = Err(error),
                    Ok(()) => {}
                }
            }
            match topics.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return damaged.map(|()| count),
            }
        }
    }

    /// Adds the webhooks of `topic` that were encrypted again to `count`.
    async fn reencrypt_topic(&self, topic: &Topic, count: &mut u64) -> Result<(), WebhookError> {
        let webhooks = self.ports.webhooks.webhooks(topic).await;
        for status in webhooks.map_err(ConsumerError::from)? {
            *count += u64::from(self.reencrypt_one(status).await?);
        }
        Ok(())
    }

    async fn reencrypt_one(&self, status: WebhookStatus) -> Result<bool, WebhookError> {
        let (key, tag) = (status.consumer.key, status.consumer.tag);
        let private = match self.ports.vault.open(&key, &status.record.sealed) {
            Ok(opened) if opened.is_stale => opened.private,
            _ => return Ok(false),
        };
        let settings = status.record.settings;
        let current = Some((tag, private.clone()));
        let start = ConsumerPosition::default();
        match self.write(&key, current, settings, &private, start).await {
            // Changed or deleted meanwhile: a change encrypts under the current key.
            Err(WebhookError::Consumer(
                ConsumerError::PreconditionFailed | ConsumerError::NotFound,
            )) => Ok(false),
            Err(error) => Err(error),
            Ok(_) => Ok(true),
        }
    }
}
