//! What the cases of the consumer contract share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use posthorn_application::{
    ConsumerCounts, ConsumerError, ConsumerStatus, ConsumerStore, DeadLetter, DeadLetterRequest,
    DeliveryState, LeaseUpdate, LeasedMessage, MessageStore, PageLimit, Precondition, PullRequest,
    PulledLeases, PutConsumer, Redriven, RetentionPolicy,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerName, ConsumerOptions, ConsumerPosition,
    ConsumerSettings, FailureReason, LeaseDuration, LeaseNonce, LeaseToken, MessageId, PullLimit,
    SettingsTag, Topic,
};
use tokio::time::Instant;

use super::ConsumerHarness;
use crate::samples;

/// How long a wake-up may take, and how much longer than promised a wait may last.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// A delay that no case outlasts.
pub(super) const LONG: Duration = Duration::from_hours(24);

/// One consumer of one topic, and the store that holds both.
pub(super) struct ConsumerCase {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) consumers: Arc<dyn ConsumerStore>,
    pub(super) topic: Topic,
    pub(super) key: ConsumerKey,
}

/// A lease as a worker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: MessageId,
    pub(super) attempt: u16,
    pub(super) token: LeaseToken,
}

impl ConsumerCase {
    /// A consumer with `options` of an empty topic, from the oldest message on.
    pub(super) async fn new(harness: &impl ConsumerHarness, options: ConsumerOptions) -> Self {
        let case = Self::without_consumer(harness);
        case.create(&case.key, options).await;
        case
    }

    /// As [`ConsumerCase::new`], with the default settings, but leases that no case outlasts.
    pub(super) async fn with_defaults(harness: &impl ConsumerHarness) -> Self {
        Self::new(harness, options()).await
    }

    pub(super) fn without_consumer(harness: &impl ConsumerHarness) -> Self {
        let topic = samples::topic("work");
        Self {
            store: harness.store(),
            consumers: harness.consumers(),
            key: key(&topic, "c"),
            topic,
        }
    }

    pub(super) async fn create(&self, key: &ConsumerKey, options: ConsumerOptions) {
        let put = self.consumers.put(key, put(options)).await.unwrap();
        assert!(put.created);
    }

    pub(super) async fn start_at(&self, start: ConsumerPosition) -> Result<(), ConsumerError> {
        let put = PutConsumer {
            start,
            ..put(options())
        };
        self.consumers.put(&self.key, put).await.map(|_| ())
    }

    /// Stores `count` messages.
    pub(super) async fn append(&self, count: usize) -> Vec<MessageId> {
        append_many(&*self.store, &self.topic, count).await
    }

    /// Pulls at most `limit` messages under a fresh nonce.
    pub(super) async fn pull(&self, limit: usize) -> Vec<Held> {
        self.pull_for(limit, None).await.0
    }

    pub(super) async fn pull_for(
        &self,
        limit: usize,
        lease: impl Into<Option<LeaseDuration>>,
    ) -> (Vec<Held>, PulledLeases) {
        let request = request(limit, lease.into());
        let pulled = self.consumers.pull(&self.key, request).await.unwrap();
        (held(&pulled.messages, request.nonce), pulled)
    }

    /// Pulls everything that is due.
    pub(super) async fn pull_all(&self) -> Vec<Held> {
        let mut all = Vec::new();
        loop {
            let pulled = self.pull(200).await;
            if pulled.is_empty() {
                return all;
            }
            all.extend(pulled);
        }
    }

    /// Pulls until a message is due, within [`SOON`] of real time.
    pub(super) async fn pull_when_due(&self, limit: usize) -> Vec<Held> {
        let end = Instant::now() + SOON;
        loop {
            let pulled = self.pull(limit).await;
            if !pulled.is_empty() {
                return pulled;
            }
            assert!(Instant::now() < end, "nothing was due within {SOON:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Acknowledges; returns a flag for each lease.
    pub(super) async fn ack(&self, leases: &[Held]) -> Vec<bool> {
        self.update(leases, LeaseUpdate::Ack).await
    }

    /// Rejects with the backoff of the settings.
    pub(super) async fn nack(&self, leases: &[Held], reason: Option<&str>) -> Vec<bool> {
        self.update(leases, nack(None, reason)).await
    }

    pub(super) async fn update(&self, leases: &[Held], update: LeaseUpdate) -> Vec<bool> {
        let tokens: Vec<_> = leases.iter().map(|held| held.token).collect();
        let updated = self
            .consumers
            .update_leases(&self.key, &tokens, update)
            .await;
        updated.unwrap().valid
    }

    pub(super) async fn status(&self) -> ConsumerStatus {
        self.consumers.status(&self.key).await.unwrap()
    }

    pub(super) async fn counts(&self) -> ConsumerCounts {
        self.status().await.counts
    }

    /// The state of a message at each consumer of the topic, by name.
    pub(super) async fn states(&self, id: MessageId) -> Vec<(String, DeliveryState)> {
        let kind = ConsumerKind::Consumer;
        let found = self.consumers.deliveries(&self.topic, kind, id).await;
        let found = found.unwrap().into_iter();
        let named = found.map(|delivery| (delivery.consumer.to_string(), delivery.state));
        named.collect()
    }

    /// The state of a message at the one consumer of the topic; `None` if it has none.
    pub(super) async fn state(&self, id: MessageId) -> Option<DeliveryState> {
        let mut states = self.states(id).await;
        assert!(states.len() <= 1, "{states:?}");
        states.pop().map(|(_, state)| state)
    }

    #[track_caller]
    pub(super) fn check_counts(&self, expected: ConsumerCounts) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            assert_eq!(self.counts().await, expected, "at {caller}");
        }
    }

    pub(super) async fn seek(&self, to: ConsumerPosition) -> ConsumerStatus {
        self.consumers.seek(&self.key, to).await.unwrap()
    }

    pub(super) async fn delete(&self, id: MessageId) {
        assert_eq!(self.store.delete(&self.topic, id).await, Ok(true));
    }

    /// Deletes the oldest messages before `before`, at most `limit`.
    pub(super) async fn delete_before(&self, before: MessageId, limit: usize) {
        let outcome = self.store.delete_before(&self.topic, before, limit).await;
        assert!(
            outcome.as_ref().is_ok_and(|deletion| deletion.deleted > 0),
            "{outcome:?}"
        );
    }

    /// Removes all messages but the newest `count`, as retention does.
    pub(super) async fn keep(&self, count: u64) {
        let policy = RetentionPolicy {
            max_age: LONG,
            max_count: count,
        };
        while self.store.prune(&policy, 1_000).await.unwrap().more {}
    }

    /// All dead letters.
    pub(super) async fn dead(&self) -> Vec<DeadLetter> {
        let mut all: Vec<DeadLetter> = Vec::new();
        loop {
            let request = DeadLetterRequest {
                after: all.last().map(|letter| letter.message.id),
                limit: PageLimit::MAX,
            };
            let page = self.consumers.dead_letters(&self.key, request).await;
            let page = page.unwrap();
            all.extend(page.letters);
            if !page.has_more {
                return all;
            }
        }
    }

    pub(super) async fn redrive(&self, ids: &[MessageId]) -> Redriven {
        self.consumers.redrive(&self.key, ids).await.unwrap()
    }

    /// Redrives all dead letters, of which there are no more than one call takes.
    pub(super) async fn redrive_all(&self) -> Redriven {
        self.redrive(&dead_ids(&self.dead().await)).await
    }

    /// Lets the next `count` messages die at once; the consumer allows one attempt.
    pub(super) async fn kill(&self, count: usize) -> Vec<MessageId> {
        let leases = self.pull(count).await;
        assert_eq!(leases.len(), count);
        assert_eq!(self.nack(&leases, Some("fatal")).await, vec![true; count]);
        ids(&leases)
    }
}

pub(super) fn key(topic: &Topic, name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: topic.clone(),
        kind: ConsumerKind::Consumer,
        name: ConsumerName::parse(name).unwrap(),
    }
}

/// The default settings, but leases that no case outlasts.
pub(super) fn options() -> ConsumerOptions {
    ConsumerOptions {
        lease_seconds: Some(43_200.0),
        ..ConsumerOptions::default()
    }
}

/// As [`options`], with one attempt at each message.
pub(super) fn one_attempt() -> ConsumerOptions {
    ConsumerOptions {
        max_attempts: Some(1),
        ..options()
    }
}

pub(super) fn put(options: ConsumerOptions) -> PutConsumer {
    PutConsumer {
        settings: ConsumerSettings::parse(&options).unwrap(),
        tag: tag(1),
        start: ConsumerPosition::Oldest,
        precondition: Precondition::None,
    }
}

pub(super) fn tag(number: u8) -> SettingsTag {
    SettingsTag::from_bytes([number; SettingsTag::LENGTH])
}

pub(super) fn request(limit: usize, lease: Option<LeaseDuration>) -> PullRequest {
    let limit = u64::try_from(limit).unwrap();
    PullRequest {
        limit: PullLimit::parse(limit).unwrap(),
        lease,
        nonce: nonce(),
    }
}

pub(super) fn nack(delay: Option<Duration>, reason: Option<&str>) -> LeaseUpdate {
    let reason = reason.map(|reason| FailureReason::parse(reason).unwrap());
    LeaseUpdate::Nack { delay, reason }
}

pub(super) fn held(messages: &[LeasedMessage], nonce: LeaseNonce) -> Vec<Held> {
    let held = messages.iter().map(|leased| Held {
        id: leased.message.id,
        attempt: leased.attempt.get(),
        token: leased.token(nonce),
    });
    held.collect()
}

pub(super) fn ids(leases: &[Held]) -> Vec<MessageId> {
    leases.iter().map(|held| held.id).collect()
}

pub(super) fn attempts(leases: &[Held]) -> Vec<u16> {
    leases.iter().map(|held| held.attempt).collect()
}

pub(super) fn dead_ids(letters: &[DeadLetter]) -> Vec<MessageId> {
    letters.iter().map(|letter| letter.message.id).collect()
}

pub(super) fn lease(duration: Duration) -> LeaseDuration {
    LeaseDuration::parse(duration.as_secs_f64()).unwrap()
}

pub(super) fn attempt(number: u64) -> Attempt {
    Attempt::new(number).unwrap()
}

/// These counts, and no dead letter dropped.
pub(super) fn counts(waiting: u64, in_flight: u64, dead: u64, missed: u64) -> ConsumerCounts {
    ConsumerCounts {
        waiting,
        in_flight,
        dead,
        missed,
        dead_dropped: 0,
    }
}

/// A nonce that no other call returned.
pub(super) fn nonce() -> LeaseNonce {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    LeaseNonce::from_bits(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Stores `0`, `1`, … in `topic`.
pub(super) async fn append_many(
    store: &dyn MessageStore,
    topic: &Topic,
    count: usize,
) -> Vec<MessageId> {
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        let appended = store.append(samples::append(topic, &number.to_string()));
        ids.push(appended.await.unwrap().receipt.id);
    }
    ids
}
