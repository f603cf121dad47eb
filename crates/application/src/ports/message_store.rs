//! The store of messages, as a port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_domain::{
    Durability, Fingerprint, IdempotencyKey, Message, MessageId, NewMessage, Receipt, Topic,
};

/// Keeps messages in topics, each topic in one strict order.
///
/// # Contract
/// - **Stored means stored.** `append` returns only once the message is held at the durability
///   that its receipt names. An error means that the message may or may not be stored; a retry
///   with the same idempotency key settles which.
/// - **Order.** Within one topic every id is greater than every id given before, also after a
///   restart and when the wall clock goes back. A message is visible to `page` and `get` before
///   its `append` returns, and no message with a smaller id becomes visible after it.
/// - **Idempotency** is decided in the same atomic step as the append, whichever process asks. A
///   key is scoped to its topic and remembered for its TTL by the store's clock, also after its
///   message was deleted or pruned. Same key and fingerprint: the first receipt again and nothing
///   stored. Same key, other fingerprint: [`AppendError::KeyReused`] and nothing stored.
/// - **Pages** show each message that is in the range and neither deleted nor pruned once.
/// - **Bounds.** Every operation MUST end within a bound that the adapter's configuration names,
///   hold a bounded amount of memory, and be safe to drop at any await; a dropped `append` may
///   still be stored.
/// - Time is the store's own: an adapter takes a [`crate::Clock`] or uses its server's time.
///
/// # Errors
/// Every operation MUST report what may succeed later as [`StoreError::Unavailable`], a lack of
/// room as [`StoreError::Full`], and a record that cannot be read as [`StoreError::Corrupt`].
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Stores `append.message` at the end of its topic.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// The message `id` of `topic`, if it is held.
    async fn get(&self, topic: &Topic, id: MessageId) -> Result<Option<Arc<Message>>, StoreError>;

    /// A run of messages of `topic` next to an anchor. The cost MUST NOT grow with the distance of
    /// the anchor from either end. A topic that holds nothing gives an empty page.
    async fn page(&self, topic: &Topic, request: PageRequest) -> Result<Page, StoreError>;

    /// Removes the message `id` of `topic` for good; says whether it was held.
    async fn delete(&self, topic: &Topic, id: MessageId) -> Result<bool, StoreError>;

    /// The topics that hold at least one message, in the order of their names.
    async fn topics(&self, request: TopicRequest) -> Result<TopicPage, StoreError>;

    /// A wake-up for `topic`: every message that becomes visible after this returns makes the
    /// subscription's `changed` return, whichever process accepted it.
    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, StoreError>;

    /// Removes messages that `policy` no longer keeps, oldest first, at most about `budget` of
    /// them. Messages within the policy MUST stay.
    async fn prune(&self, policy: &RetentionPolicy, budget: usize) -> Result<Pruned, StoreError>;

    /// Whether an `append` would find the store ready, without storing anything.
    async fn health(&self) -> Result<(), StoreError>;

    /// The durability that receipts name when all is well.
    fn durability(&self) -> Durability;

    /// Waits until what was accepted is as safe as it will get and releases files and
    /// connections; operations after it answer [`StoreError::Unavailable`]. Idempotent.
    async fn close(&self);
}

/// A wake-up for one topic. Dropping it releases everything it holds.
#[async_trait]
pub trait Subscription: Send {
    /// Returns when the topic may have changed since the last return (or since `subscribe`). Many
    /// changes may make one return, and it MAY return when nothing changed. It MUST be safe to
    /// drop and call again without missing a change.
    ///
    /// After a loss of the back end it MUST return, so that the caller looks at the store.
    async fn changed(&mut self);
}

/// What to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// The message.
    pub message: NewMessage,
    /// The name of this instance, for the receipt.
    pub instance: Arc<str>,
    /// How a retry is recognised, if the client wants that.
    pub idempotency: Option<Idempotency>,
}

/// How a retry is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: IdempotencyKey,
    /// What the client asks to store.
    pub fingerprint: Fingerprint,
    /// How long the store remembers the key.
    pub ttl: Duration,
}

/// The outcome of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The acknowledgement: the first one, if the append was a retry.
    pub receipt: Receipt,
    /// Whether the message had been stored before and nothing was stored now.
    pub replayed: bool,
}

/// Why nothing can be said to be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The key was used for another message; nothing was stored.
    #[error("the idempotency key was used for another message")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a store operation failed. The texts are for logs; they hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be asked now: the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// There is no room; nothing was stored. The same call may succeed once there is.
    #[error("the store is full: {0}")]
    Full(String),
    /// A record cannot be read; the call will fail again.
    #[error("the store holds a record that cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// Where a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The first messages of the topic.
    Oldest,
    /// The last messages of the topic.
    Newest,
    /// The messages that come right after this id, which need not exist.
    After(MessageId),
    /// The messages that come right before this id, which need not exist.
    Before(MessageId),
}

/// How many messages a page holds at most: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit(usize);

/// The number is not 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a page holds 1 to {} messages", PageLimit::MAX.get())]
pub struct PageLimitError;

impl PageLimit {
    /// The most a page may hold.
    pub const MAX: Self = Self(200);
    /// What a page holds when nothing is said.
    pub const DEFAULT: Self = Self(50);

    /// A limit of `limit` messages.
    pub fn parse(limit: usize) -> Result<Self, PageLimitError> {
        if (1..=Self::MAX.0).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(PageLimitError)
        }
    }

    /// The number of messages.
    pub const fn get(self) -> usize {
        self.0
    }
}

/// Which page to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Where it lies.
    pub anchor: Anchor,
    /// How many messages it holds at most.
    pub limit: PageLimit,
}

/// A run of messages, always oldest first, whatever the anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The messages, in ascending order of their ids, without a hole.
    pub messages: Vec<Arc<Message>>,
    /// Whether the topic holds a message older than the page's place in the order.
    pub has_older: bool,
    /// Whether the topic holds a message newer than the page's place in the order.
    pub has_newer: bool,
    /// For [`Anchor::After`]: whether retention removed a message after that id, so that the page
    /// does not join on to it. Messages that a client deleted do not count. `false` otherwise.
    pub truncated: bool,
    /// Whatever the anchor: the newest message that retention removed from the topic, `None` when it
    /// removed none. A page after this id is not `truncated` until retention removes a later one.
    ///
    /// A store that has forgotten how far retention went in a topic MAY name a later id instead.
    /// Every message appended after this page MUST have a greater id than the one it names.
    pub pruned: Option<MessageId>,
}

/// Which topics to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRequest {
    /// List names after this one; from the first when `None`.
    pub after: Option<Topic>,
    /// How many at most.
    pub limit: PageLimit,
}

/// A run of topics, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPage {
    /// The topics.
    pub topics: Vec<TopicSummary>,
    /// Whether there are topics after the last one of the page.
    pub has_more: bool,
}

/// One topic at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// Its name.
    pub topic: Topic,
    /// How many messages it holds, at least 1.
    pub count: u64,
    /// The id of its oldest message.
    pub first: MessageId,
    /// The id of its newest message.
    pub last: MessageId,
}

/// What retention keeps, per topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Messages accepted longer ago than this go.
    pub max_age: Duration,
    /// Of more than this many messages the oldest go; at least 1.
    pub max_count: u64,
}

/// What a round of pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many messages it removed.
    pub removed: u64,
    /// Whether the budget ended it: there may be more to remove, of messages or of what else the
    /// store forgets in time, such as idempotency keys.
    pub more: bool,
}
