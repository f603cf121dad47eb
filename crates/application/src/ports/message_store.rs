//! The port for message stores.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{
    Durability, Fingerprint, IdempotencyKey, Message, MessageBatch, MessageId, NewMessage, Receipt,
    Timestamp, Topic, TopicRanges,
};

pub use super::anchor::Anchor;
pub use super::bulk_deletion::BulkDeletion;
pub use super::page_limit::{PageLimit, PageLimitError};
pub use super::store_usage::{StoreIdentity, StoreUsage};

/// Stores messages in topics, each topic in one strict order.
///
/// # Contract
/// - **Stored means stored.** `append` returns only once the message is stored with the durability of its receipt. An
///   error means that the message may or may not be stored; a retry with the same idempotency key returns which.
/// - **Order.** Within one topic every id is greater than every earlier id, also after a restart and when the wall
///   clock goes back. A message is visible to `page` and `get` before its `append` returns, and no message with a
///   smaller id becomes visible after it.
/// - **Idempotency** is decided in the same atomic step as the append, whichever process executes it. A key is scoped
///   to its topic and stored for its TTL by the store's clock, also after its message was deleted or pruned. Same key
///   and fingerprint: returns the first receipt and stores nothing. Same key, other fingerprint:
///   [`AppendError::KeyReused`], and stores nothing.
/// - **Batches.** `append_batch` stores all messages or none. Their ids are consecutive: of one time, with sequence
///   numbers one after another. No operation of any process, a read while the batch is stored or after the store was
///   killed included, finds some of the messages without the others. The key of a batch covers it as a whole, and is
///   the same key for single messages.
/// - **Topics** are limited: an append to a new one is [`AppendError::TooManyTopics`] once there are as many as the
///   settings of the store allow. A topic counts that has a message, or a consumer ([`crate::ConsumerStore`]). A few
///   more can be there, and topics that have neither can count for a day.
/// - **Pages** contain each message of their range once, unless it was deleted or pruned.
/// - **Bounds.** Every operation MUST end within a bound that the adapter's configuration names, use a bounded amount
///   of memory, and be safe to drop at any await; a dropped `append` may still be stored.
/// - Time is the store's own: an adapter takes a [`crate::Clock`] or uses its server's time.
/// - **A jump of the wall clock** removes and forgets nothing: messages, keys and revocations expire by
///   the earliest time of [`crate::TimeBounds`], and messages are dated by the latest. An id that would not be greater
///   keeps the time of the last one; the message has its own time.
///
/// # Errors
/// Every operation MUST report a transient error as [`StoreError::Unavailable`], a lack of space as [`StoreError::Full`]
/// ([`AppendError::TooLarge`] if an empty store had too little), and damage as [`StoreError::Corrupt`]. Damage is not
/// contagious: a record that cannot be read is an error of `get` alone, pages name it, and such a topic is not listed.
/// A store that keeps records also keeps a [`posthorn_domain::MessageChecksum`] with each, and checks it in every read.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Stores `append.message` at the end of its topic.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Stores the messages of `append.batch` at the end of their topic.
    async fn append_batch(&self, append: AppendBatch) -> Result<AppendedBatch, AppendError>;

    /// The message `id` of `topic`, if the store has it.
    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError>;

    /// A run of messages of `topic` next to an anchor. The cost MUST NOT grow with the distance of
    /// the anchor from either end. An empty topic has empty pages.
    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError>;

    /// Removes the message `id` of `topic` for good; returns true if the store had it.
    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError>;

    /// Removes the oldest messages of `topic` whose ids are less than `before`, at most `limit` of them, in one atomic
    /// step. Each is removed as by `delete`: readers and consumers MUST see the same as after that many deletions.
    async fn delete_before(
        &self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
    ) -> Result<BulkDeletion, StoreError>;

    /// The topics with a message whose names are in the ranges of the request, in the order of their names. The cost
    /// MUST NOT grow with the number of other topics.
    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError>;

    /// Subscribes to `topic`: every message that becomes visible after this returns makes the subscription's `changed`
    /// return, whichever process accepted it.
    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError>;

    /// Removes messages outside `policy`, oldest first, at most about `budget` of them. Messages within the policy MUST
    /// stay. Every message before an expired one is expired: it was stored earlier, whatever the clock was then.
    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError>;

    /// The time by which the store dates a message of `topic` now, which may differ from that of the process.
    async fn now(&self, topic: &Topic) -> Result<Timestamp, StoreError>;

    /// How much the store holds, and its identity as its data has it now.
    async fn usage(&self) -> Result<StoreUsage, StoreError>;

    /// Checks, without storing anything, that an `append` would find the store ready and its data readable.
    async fn health(&self) -> Result<(), StoreError>;

    /// The durability of receipts in normal operation.
    fn durability(&self) -> Durability;

    /// The threads of requests are about to end: what the store runs on them MUST be finished, and further work
    /// runs on the runtime of this call. Operations work as before.
    async fn leave_request_threads(&self) {}

    /// Waits until accepted messages have their final durability, and releases files and connections. Later operations
    /// return [`StoreError::Unavailable`]. Idempotent.
    async fn close(&self);
}

/// A subscription to one topic. Dropping it releases its resources.
#[async_trait]
pub trait Subscription: Send {
    /// Returns when the topic may have changed since the last return (or since `subscribe`). Many changes may cause one
    /// return, and it MAY return without a change; after a loss of the back end it MUST, so that the caller reads the store.
    /// It MUST be safe to drop and call again without missing a change.
    async fn changed(&mut self);
}

/// A message to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// The message.
    pub message: NewMessage,
    /// The name of this instance, for the receipt.
    pub instance: Arc<str>,
    /// The idempotency of the request, if it has a key.
    pub idempotency: Option<Idempotency>,
}

/// A batch of messages to append.
#[derive(Clone, Debug)]
pub struct AppendBatch {
    /// The topic.
    pub topic: Topic,
    /// The messages.
    pub batch: MessageBatch,
    /// The name of this instance, for the receipts.
    pub instance: Arc<str>,
    /// The idempotency of the request, if it has a key.
    pub idempotency: Option<Idempotency>,
}

/// The key and fingerprint by which a retry is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: IdempotencyKey,
    /// The fingerprint of the message.
    pub fingerprint: Fingerprint,
    /// How long the store keeps the key.
    pub ttl: Duration,
}

/// The outcome of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The receipt: that of the first attempt, if this was a retry.
    pub receipt: Receipt,
    /// True if the message was stored before, and nothing was stored now.
    pub replayed: bool,
}

/// The outcome of an append of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendedBatch {
    /// The receipt of the first message: that of the first attempt, if this was a retry.
    pub first: Receipt,
    /// The number of messages.
    pub count: usize,
    /// True if the messages were stored before, and nothing was stored now.
    pub replayed: bool,
}

impl AppendedBatch {
    /// The receipts of all messages, in their order.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> {
        (0_u64..).take(self.count).map(|number| Receipt {
            id: self.first.id.after(number),
            ..self.first.clone()
        })
    }
}

/// Why an append failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The key was used for another message; nothing was stored.
    #[error("the idempotency key was used for another message")]
    KeyReused,
    /// The message is of a new topic, and there are as many as the store may have; nothing was stored.
    #[error("the store has as many topics as it may have")]
    TooManyTopics,
    /// The messages are larger than all that the store may hold; nothing was stored.
    #[error("the messages are larger than the store may be")]
    TooLarge,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store operation failed. The texts are for logs; they contain no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store is unreachable: the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// There is no space; nothing was stored. The same call may succeed once there is.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store is damaged; the call will fail again.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// True if the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// Decides how many messages are read at once, by their bytes.
#[derive(Debug)]
pub struct ByteBudget {
    max: usize,
    used: usize,
}

impl ByteBudget {
    /// The most bytes ([`Message::bytes`]) of messages that are read at once, unless the first has more.
    pub const MAX: usize = 256 * 1024;

    /// At most `max` bytes, unless the first message has more.
    pub const fn new(max: usize) -> Self {
        Self { max, used: 0 }
    }

    /// True if `message` fits behind those admitted so far. The first one always fits.
    pub fn admits(&mut self, message: &Message) -> bool {
        let is_first = self.used == 0;
        // A message has at least one byte.
        let used = self.used.saturating_add(message.bytes());
        let fits = is_first || used <= self.max;
        if fits {
            self.used = used;
        }
        fits
    }
}

impl Default for ByteBudget {
    fn default() -> Self {
        Self::new(Self::MAX)
    }
}

/// A page to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The anchor.
    pub anchor: Anchor,
    /// The most messages.
    pub limit: PageLimit,
}

/// Consecutive messages, oldest first, whatever the anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages, in ascending order of their ids, without omissions. There are fewer than the limit
    /// if more would exceed about [`ByteBudget::MAX`] bytes.
    pub messages: Vec<Arc<Message>>,
    /// The ids of the messages among them that cannot be read, in ascending order: the record is damaged, or does
    /// not match its checksum. They count against the limit.
    pub unreadable: Vec<MessageId>,
    /// True if the topic has a message older than the page's position.
    pub has_older: bool,
    /// True if the topic has a message newer than the page's position.
    pub has_newer: bool,
    /// For [`Anchor::After`] and [`Anchor::Since`]: true if retention removed a message after that id, so
    /// that there is a gap between the id and the page. Messages that a client deleted do not count. For
    /// [`Anchor::After`] also if the store never gave that id, because it was lost or restored: after the
    /// newest id always, and otherwise wherever the ids around it or the starts of the store show it
    /// ([`crate::GivenIds`]). The least id is the beginning, and an id of another topic is as of another
    /// store or as a deleted one. Else `false`.
    pub truncated: bool,
    /// Whatever the anchor: the newest message that retention removed from the topic, `None` if it
    /// removed none. A page after this id is not `truncated` until retention removes a later one.
    ///
    /// A store that no longer has the watermark of a topic MAY return a later id instead. Every
    /// message appended after this page MUST have a greater id.
    pub pruned: Option<MessageId>,
}

impl Page {
    /// True if the page has no message, readable or not.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.unreadable.is_empty()
    }

    /// The id of the first message, readable or not.
    pub fn first(&self) -> Option<MessageId> {
        let first = self.messages.first().map(|message| message.id);
        first
            .into_iter()
            .chain(self.unreadable.first().copied())
            .min()
    }

    /// The id of the last message, readable or not.
    pub fn last(&self) -> Option<MessageId> {
        let last = self.messages.last().map(|message| message.id);
        last.max(self.unreadable.last().copied())
    }
}

/// A list of topics to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRequest {
    /// The names to list.
    pub names: TopicRanges,
    /// The most topics.
    pub limit: PageLimit,
}

impl TopicRequest {
    /// All topics after the name `after`; from the first if `None`.
    pub fn after(after: Option<&Topic>, limit: PageLimit) -> Self {
        let names = TopicRanges::all_after(after);
        Self { names, limit }
    }
}

/// Consecutive topics, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPage {
    /// The topics.
    pub topics: Vec<TopicSummary>,
    /// True if there are topics after the last one of the page.
    pub has_more: bool,
}

/// The summary of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// The name.
    pub topic: Topic,
    /// The number of its messages; at least 1.
    pub count: u64,
    /// The id of its oldest message.
    pub first: MessageId,
    /// The id of its newest message.
    pub last: MessageId,
}

/// The messages that retention keeps, per topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Older messages are removed.
    pub max_age: Duration,
    /// The oldest of more than this many messages are removed; at least 1.
    pub max_count: u64,
}

/// The outcome of one step of pruning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The number of removed messages.
    pub removed: u64,
    /// True if the budget ended the step: there may be more to remove, messages or other expired
    /// records such as idempotency keys.
    pub more: bool,
    /// How far the newest id is ahead of the store's clock: zero unless the clock was set back.
    pub id_lead: Duration,
}
