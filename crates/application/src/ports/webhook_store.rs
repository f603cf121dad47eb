//! The store of webhooks, as a port.

use async_trait::async_trait;
use posthorn_domain::{
    ConsumerKey, ConsumerPosition, DisableReason, MessageId, SettingsTag, Topic, WebhookAttempt,
    WebhookHealth, WebhookSettings, WebhookUrl,
};

use super::consumer_store::{ConsumerError, ConsumerStatus, Precondition, PutConsumer};
use super::message_store::{PageLimit, StoreError, Subscription};

/// How many attempts a store keeps for each webhook.
pub const MAX_KEPT_ATTEMPTS: usize = 100;

/// The most attempts of one call of [`WebhookStore::record_attempts`].
pub const MAX_ATTEMPTS_PER_CALL: usize = 1_000;

/// Keeps what a webhook has beyond the consumer that it is: its record, its health and its last
/// attempts.
///
/// A store implements this port on the same value as [`crate::ConsumerStore`]. A webhook is the
/// consumer of its key, whose kind is [`posthorn_domain::ConsumerKind::Webhook`], together with a
/// record. Its messages, leases, counts and dead letters are those of the consumer, and
/// [`crate::ConsumerStore::delete`] removes a webhook with all it has in one atomic step.
///
/// # Contract
/// 1. **One step.** Each call takes effect in one atomic step, in which the consumer is brought to
///    the store's time as in [`crate::ConsumerStore`].
/// 2. **Kept.** Record and state survive a restart as the settings of a consumer do. Of the health
///    and the attempts a crash of the store may lose those that were recorded last.
/// 3. **Bounded.** A webhook keeps its last [`MAX_KEPT_ATTEMPTS`] attempts. `requeue` examines
///    at most as many messages as its request says.
/// 4. **Told apart.** A webhook that is created has another [`WebhookIncarnation`] than all before
///    it under its name, and keeps it until it is deleted, through a restart of the store too.
/// 5. **Announced.** Every step of any process that creates, changes, enables, disables or deletes a
///    webhook wakes the subscriptions of `watch_webhooks`. Attempts do not.
/// 6. **Idle.** A subscription without a change costs nothing: no polling.
/// 7. **Disabled.** A pull of a disabled webhook leases nothing, and has neither `more` nor
///    `next_due`: a process that does not know of it yet sends nothing. Enabling the webhook wakes
///    the watchers of its consumer.
///
/// The store uses nothing else of the record.
///
/// # Dropped calls
/// As in [`crate::ConsumerStore`].
///
/// # Errors
/// As in [`crate::ConsumerStore`]. An operation on a webhook that does not exist, or on a consumer
/// without a record, MUST be [`ConsumerError::NotFound`].
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Creates the webhook with its consumer, or replaces record and settings and keeps everything
    /// else: position, messages, health, attempts, also whether it is disabled. The settings of the
    /// consumer are [`WebhookSettings::consumer_settings`].
    ///
    /// # Errors
    /// As [`crate::ConsumerStore::put`].
    async fn put_webhook(
        &self,
        key: &ConsumerKey,
        put: PutWebhook,
    ) -> Result<WebhookPut, ConsumerError>;

    /// Record, health and counts.
    async fn webhook(&self, key: &ConsumerKey) -> Result<WebhookStatus, ConsumerError>;

    /// The webhooks of `topic`, by name. [`crate::ConsumerStore::topics_with_consumers`] finds the
    /// topics.
    async fn webhooks(&self, topic: &Topic) -> Result<Vec<WebhookStatus>, StoreError>;

    /// Disables the webhook, or enables it when `reason` is `None`, as
    /// [`WebhookHealth::set_disabled`] does. Returns false if it was in that state already. A webhook
    /// that is not `of` does not exist; `None` is any.
    async fn set_disabled(
        &self,
        key: &ConsumerKey,
        reason: Option<DisableReason>,
        of: Option<&WebhookTarget>,
    ) -> Result<bool, ConsumerError>;

    /// Adds attempts of the incarnation `of`, the oldest first and at most [`MAX_ATTEMPTS_PER_CALL`], to the health, as
    /// [`WebhookHealth::record`] does, and to the attempts. Returns the health afterwards. Needs no
    /// sync of its own. A webhook of another incarnation does not exist.
    async fn record_attempts(
        &self,
        key: &ConsumerKey,
        of: WebhookIncarnation,
        attempts: &[WebhookAttempt],
    ) -> Result<WebhookHealth, ConsumerError>;

    /// The last attempts, the one that was recorded last first.
    async fn attempts(&self, key: &ConsumerKey) -> Result<Vec<WebhookAttempt>, ConsumerError>;

    /// Makes settled messages wait again, due now, with attempts from 1 and without a reason, and
    /// wakes the watchers of the consumer. Settled is every message that the topic holds at or
    /// before the consumer's cursor, has no entry and is no dead letter: one that was acknowledged,
    /// and one that the consumer's position skipped. All other messages stay as they are.
    ///
    /// Works on every consumer, also on one without a record.
    async fn requeue(
        &self,
        key: &ConsumerKey,
        request: RequeueRequest,
    ) -> Result<Requeued, ConsumerError>;

    /// A wake-up for every change of any webhook of any topic, by any process. It MAY return at other
    /// times. Every step after `watch_webhooks` returned is announced.
    async fn watch_webhooks(&self) -> Result<Box<dyn Subscription>, StoreError>;
}

/// One life of a webhook, from its creation to its deletion: two webhooks that had one name one after
/// the other differ in it. The store gives it; the number has no other meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WebhookIncarnation(pub u64);

/// The webhook that an attempt was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTarget {
    /// Not one that was created later under its name.
    pub incarnation: WebhookIncarnation,
    /// Not one that has moved meanwhile; `None` is any URL.
    pub url: Option<WebhookUrl>,
}

impl WebhookTarget {
    /// True if it is the webhook of this incarnation with this URL.
    pub fn is(&self, incarnation: WebhookIncarnation, url: &WebhookUrl) -> bool {
        self.incarnation == incarnation && self.url.as_ref().is_none_or(|own| own == url)
    }
}

/// What a store keeps of a webhook beside its consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRecord {
    /// The settings.
    pub settings: WebhookSettings,
    /// The encrypted [`posthorn_domain::WebhookPrivate`], which the store does not read.
    pub sealed: Vec<u8>,
}

/// What to create, or to change a webhook to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutWebhook {
    /// The record.
    pub record: WebhookRecord,
    /// The version of the settings. The store keeps it beside them and compares it only.
    pub tag: SettingsTag,
    /// The position; counts only when the webhook is created.
    pub start: ConsumerPosition,
    /// The state that the client expects.
    pub precondition: Precondition,
}

impl PutWebhook {
    /// What the consumer of the webhook is created with, or changed to.
    pub fn consumer(&self) -> PutConsumer {
        PutConsumer {
            settings: self.record.settings.consumer_settings(),
            tag: self.tag,
            start: self.start,
            precondition: self.precondition.clone(),
        }
    }
}

/// The outcome of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookPut {
    /// Whether the webhook was created.
    pub created: bool,
    /// Its state afterwards.
    pub status: WebhookStatus,
}

/// A webhook at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookStatus {
    /// The consumer that it is.
    pub consumer: ConsumerStatus,
    /// Which of the webhooks that had its name.
    pub incarnation: WebhookIncarnation,
    /// Its record.
    pub record: WebhookRecord,
    /// Its health.
    pub health: WebhookHealth,
}

/// Which settled messages to make wait again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequeueRequest {
    /// The smallest id, included.
    pub from: MessageId,
    /// The largest id, included.
    pub to: MessageId,
    /// The most messages of the topic that this call examines.
    pub limit: PageLimit,
}

/// The outcome of a requeue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// How many messages wait again.
    pub queued: u64,
    /// The call for the messages of the range that were not examined. Its range ends at the cursor that the consumer had
    /// at the first call, so that what is settled meanwhile is not settled twice. `None` after the last message.
    pub next: Option<RequeueRequest>,
}
