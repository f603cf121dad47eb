//! The store of consumers and their leases, as a port.

mod dead;
mod delivery;
mod leases;
mod registry;

use async_trait::async_trait;
use posthorn_domain::{
    ConsumerKey, ConsumerKind, ConsumerPosition, LeaseNonce, LeaseToken, MessageId, Topic,
};

use super::message_store::{PageLimit, StoreError, Subscription};

pub use dead::{
    DeadLetter, DeadLetterPage, DeadLetterRequest, MAX_DEAD_LETTERS, Redrive, RedriveError,
    Redriven,
};
pub use delivery::{ConsumerDelivery, DeliveryState};
pub use leases::{LeaseUpdate, LeasedMessage, LeasesUpdated, PullRequest, PulledLeases};
pub use registry::{
    ConsumerCounts, ConsumerPut, ConsumerStatus, MAX_CONSUMERS_PER_TOPIC, Precondition, PutConsumer,
};

/// Hands each message of a topic to one worker of a consumer at a time, under a lease, until it is
/// acknowledged or dead.
///
/// A store implements this port on the same value as [`crate::MessageStore`], because appends,
/// deletion and retention change both in one atomic step.
///
/// # Model
/// A consumer has a **cursor**, **entries**, **dead letters** and counters.
/// - Messages of the topic after the cursor are *new*: never handed out. Messages at or before it
///   that have no entry are settled, or were skipped by a position.
/// - An entry belongs to one message. It is *leased* (attempt, nonce, end of the lease) or *waiting*
///   (due time, number of the next attempt), and keeps the reason of the last failed attempt. An
///   entry that a redrive made also keeps a copy of its message.
/// - A dead letter is a copy of a message with its attempts, the last reason and the time of death.
///
/// To count new messages at no cost for appends, keep `behind`, the number of messages that the
/// topic holds at or before the cursor: the number of new messages is the number held minus
/// `behind`. Deletion and retention of a message at or before the cursor decrement it.
///
/// # Contract
/// 1. **At least once.** Every message that is appended after the consumer's position is handed out
///    until it is acknowledged or dead. Retention that removes a message first counts it as
///    `missed`. An expired lease, a crash of the store and a lost reply never lose a message.
/// 2. **An acknowledgement is final.** Once `update_leases` returned `true` for an acknowledged
///    lease, at the topic's durability, the message is never handed out to this consumer again,
///    unless `seek` moves the position before it.
/// 3. **One valid lease.** At any moment of the store's clock a message has at most one valid lease
///    per consumer. A lease is valid while the store holds it and the clock is before its end. A
///    token that is not of a valid lease changes nothing and is reported as `false`. A grant needs
///    no sync: one that a crash of the store lost is void, and its message is handed out again with
///    the same attempt.
/// 4. **Order.** New messages are handed out in store order. A pull first hands out the waiting
///    entries whose due time has come, by due time and then by id, and then new messages.
/// 5. **Counted.** Attempts, last reasons, dead letters and counters survive a restart as the
///    messages do. [`ConsumerCounts`] are exact at the moment of the call, and the cost of reading
///    them does not grow with the number of messages, waiting entries or dead letters.
/// 6. **Bounded.** A topic with a consumer counts as one of the store's topics, as in
///    [`crate::MessageStore`]. A topic has at most [`MAX_CONSUMERS_PER_TOPIC`] consumers of all kinds together,
///    and a consumer at most `max_in_flight` valid leases and [`MAX_DEAD_LETTERS`] copies: dead
///    letters, and redriven messages that are not settled. Above that the dead letter with the
///    smallest id is removed and counted in `dead_dropped`.
///
/// # Time
/// The store's clock decides alone: an adapter reads one time for each call, from a
/// [`crate::Clock`] or from its server, in the same atomic step as the call's effect. Times have
/// milliseconds. A clock that was set back makes leases and waits longer, and nothing else.
///
/// Every call first brings its consumer to that time, and so do deletion and retention for every
/// consumer of the topic, before their own effect and by the settings before it. Each lease whose
/// end is at or before the time **expired**: in the order of their ends and then of ids, the entry
/// becomes waiting, due at the *end of the lease* plus the backoff after its attempt, or a dead
/// letter that died at the end of the lease, when its attempt was `max_attempts` or more. The
/// reason is `lease expired`.
///
/// # Races
/// Each call takes effect in one atomic step, and the order of the steps decides:
/// - **Expiry beside an acknowledgement**: at the end of the lease to the millisecond it is expired,
///   and the acknowledgement is stale. Before, it is settled and never expires.
/// - **Acknowledgement beside `seek`**: a lease that was acknowledged first is settled, and handed
///   out again only where the new position lies before it. After the `seek` its token is stale.
/// - **Deletion of a message beside a pull**: a deletion that comes first ends the waiting of the
///   message, which is neither handed out nor `missed`, and ends a redriven copy too. If the pull
///   comes first, the lease stays valid, and its end, however it ends, settles the message: no
///   redelivery, no death, not `missed`. Dead letters stay.
/// - **Retention beside a lease**: a leased message that retention removes stays leased. An
///   acknowledgement settles it. If the lease ends otherwise, also by `seek` where the new position
///   lies before the message, the message is `missed`, not waiting and not dead. A waiting entry or
///   a new message that retention removes is `missed` at once. Copies stay: retention never touches
///   a redriven entry or a dead letter. A store that removes messages because it is full does as
///   retention does.
/// - **Redrive beside death**: a redrive takes the dead letters that are there at its step. A
///   message that dies after it is a new dead letter, which replaces one with the same id.
/// - **Redrive after `seek`**: a dead letter whose message is new again, because the topic holds it
///   after the cursor, or has an entry again, is only removed; it counts as redriven.
/// - **Deletion of the consumer beside a waiting pull**: the deletion wakes the watchers, and every
///   later call is [`ConsumerError::NotFound`]. A consumer that is created again under the same
///   name is another one: tokens of the old one are stale.
/// - **Lower limits by `put`**: what is leased stays leased. `max_in_flight` counts at the next
///   pull. An entry that already had `max_attempts` attempts is handed out once more.
///
/// A message whose record cannot be read is stepped over by a pull and counted as `missed`; it
/// MUST NOT keep others from being handed out.
///
/// # Dropped calls
/// Every operation MUST be safe to drop at any await; what it does then may still take effect. The
/// calls of one process on one consumer MUST take effect in the order in which they were first
/// polled, so that a [`ConsumerStore::give_back`] after a dropped pull finds its leases.
///
/// # Errors
/// Every operation MUST report what may succeed later as [`StoreError::Unavailable`] and a full
/// store as [`StoreError::Full`], as [`crate::MessageStore`] does, and MUST end within a bound that
/// the adapter's configuration names. An operation on a consumer that does not exist MUST be
/// [`ConsumerError::NotFound`]. After [`crate::MessageStore::close`] every operation MUST be
/// [`StoreError::Unavailable`].
#[async_trait]
pub trait ConsumerStore: Send + Sync {
    /// Creates the consumer, or replaces its settings and keeps everything else. The topic need not
    /// hold a message. The precondition is decided in the same atomic step. It may cost the number
    /// of messages before the position.
    ///
    /// # Errors
    /// In this order: [`ConsumerError::PreconditionFailed`]; [`ConsumerError::LimitReached`], or
    /// [`ConsumerError::TooManyTopics`] when the topic has neither a message nor a consumer;
    /// [`ConsumerError::PositionAhead`] as `seek`. All but the first only when it does not exist.
    async fn put(&self, key: &ConsumerKey, put: PutConsumer) -> Result<ConsumerPut, ConsumerError>;

    /// Settings and counts.
    async fn status(&self, key: &ConsumerKey) -> Result<ConsumerStatus, ConsumerError>;

    /// The consumers of `topic` of this kind, by name.
    async fn list(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
    ) -> Result<Vec<ConsumerStatus>, StoreError>;

    /// The topics after `after` that have a consumer of any kind, in the order of their names, at
    /// most `limit` of them. Such a topic need not hold a message.
    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        limit: PageLimit,
    ) -> Result<Vec<Topic>, StoreError>;

    /// The state of the message `id` at each consumer of `topic` of this kind, by name. An entry decides
    /// it, then whether the message is new, then a dead letter. A consumer that has none of these is left
    /// out if the topic does not hold the message. The cost grows with the number of consumers, and at
    /// most with the logarithm of all other numbers.
    async fn deliveries(
        &self,
        topic: &Topic,
        kind: ConsumerKind,
        id: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError>;

    /// Removes the consumer with its entries and dead letters, and wakes its watchers.
    ///
    /// # Errors
    /// [`ConsumerError::NotFound`] comes before [`ConsumerError::PreconditionFailed`].
    async fn delete(
        &self,
        key: &ConsumerKey,
        precondition: &Precondition,
    ) -> Result<(), ConsumerError>;

    /// Leases what is due, and then new messages, up to the limits of the request and of the
    /// consumer. Does not wait. The pull also counts when it hands out nothing (`last_pull_at`).
    async fn pull(
        &self,
        key: &ConsumerKey,
        request: PullRequest,
    ) -> Result<PulledLeases, ConsumerError>;

    /// Acknowledges, rejects, extends or releases leases. `leases` holds no token twice, and at most 200.
    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        update: LeaseUpdate,
    ) -> Result<LeasesUpdated, ConsumerError>;

    /// Ends the valid leases that were granted under `nonce`, as if they had not been granted: each
    /// message waits, due now, and its next attempt has the number of the one that ends; the reason
    /// stays. A message that was deleted or removed by retention meanwhile ends as in Races. Does
    /// nothing when there are none.
    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Result<(), ConsumerError>;

    /// Moves the position. All leases become stale, all entries are dropped and all messages that
    /// the topic holds after the position are new, with attempts from 1. A redriven copy after the
    /// position whose message the topic does not hold waits on, due now, with attempts from 1; the
    /// other copies are dropped. Dead letters and counters stay. It may cost the number of messages
    /// before the position.
    ///
    /// The new cursor is the position's, but at most the newest id that the topic has given.
    ///
    /// # Errors
    /// [`ConsumerError::PositionAhead`] for a position after the newest id of the topic whose time
    /// lies after the store's time: messages that are appended later could have ids before it.
    async fn seek(
        &self,
        key: &ConsumerKey,
        to: ConsumerPosition,
    ) -> Result<ConsumerStatus, ConsumerError>;

    /// A run of dead letters in the order of ids.
    async fn dead_letters(
        &self,
        key: &ConsumerKey,
        request: DeadLetterRequest,
    ) -> Result<DeadLetterPage, ConsumerError>;

    /// Makes the dead letters of these ids, at most [`Redrive::MAX`] and none twice, wait, due now,
    /// with attempts from 1 and without a reason. Their copies are handed out; one that cannot be read
    /// counts as missed then.
    async fn redrive(
        &self,
        key: &ConsumerKey,
        ids: &[MessageId],
    ) -> Result<Redriven, ConsumerError>;

    /// Removes a dead letter for good; returns whether it was there.
    async fn delete_dead_letter(
        &self,
        key: &ConsumerKey,
        id: MessageId,
    ) -> Result<bool, ConsumerError>;

    /// A wake-up for the waiting pulls of a consumer. `changed` returns after every step of any
    /// process that may let a pull hand out more than before, other than the passing of time, which
    /// [`PulledLeases::next_due`] announces: an append to the topic, a lease that is rejected,
    /// returned, shortened or (at `max_in_flight`) acknowledged, a redrive, a `seek`, a `put`, the
    /// deletion of the consumer. It MAY return at other times. Every step after `watch` returned is announced.
    async fn watch(&self, key: &ConsumerKey) -> Result<Box<dyn Subscription>, ConsumerError>;
}

/// Why an operation on a consumer failed. The texts hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// The consumer does not exist.
    #[error("the consumer does not exist")]
    NotFound,
    /// The settings are not those that the precondition names; nothing changed.
    #[error("the precondition failed")]
    PreconditionFailed,
    /// The topic has as many consumers as it may have; nothing changed.
    #[error("a topic has at most {MAX_CONSUMERS_PER_TOPIC} consumers and webhooks")]
    LimitReached,
    /// The topic is new, and there are as many as the store may have; nothing changed.
    #[error("the store has as many topics as it may have")]
    TooManyTopics,
    /// The position lies in the future; nothing changed.
    #[error("the position lies after the newest message and in the future")]
    PositionAhead,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConsumerError {
    /// The error of an operation that fails as a store does and in no other way.
    #[must_use]
    pub fn into_store_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            error => StoreError::Corrupt(error.to_string()),
        }
    }
}
