//! One sequence of operations, on a store and on the model, with every outcome compared.

use std::time::Duration;

use posthorn_application::{
    BulkDeletion, ConsumerError, LeaseUpdate, PageLimit, Precondition, PullRequest, PutConsumer,
    RequeueRequest, RetentionPolicy,
};
use posthorn_domain::{
    FailureReason, LeaseNonce, LeaseToken, MessageId, PullLimit, SettingsTag, Topic,
};

use super::model::{ConsumerModel, HeldMessages, MessageState, ModelRemoval};
use super::operations::{Position, ScheduledOperation};
use super::values::{self, LONG, key, pick};
use crate::samples;
use crate::webhook_contract::WebhookHarness;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A store, the model of it, and what both gave so far.
pub(super) struct ConsumerSchedule<H> {
    pub(super) harness: H,
    pub(super) topic: Topic,
    pub(super) held: HeldMessages,
    pub(super) consumers: [Option<ConsumerModel>; 2],
    /// Every id given so far.
    pub(super) given: Vec<MessageId>,
    pub(super) tokens: Vec<LeaseToken>,
    pub(super) nonces: Vec<LeaseNonce>,
    /// The time of the model, in milliseconds, where the store has a real clock.
    pub(super) ticks: u64,
    /// How many comparisons there were.
    pub(super) compared: usize,
}

impl<H: WebhookHarness> ConsumerSchedule<H> {
    pub(super) fn new(harness: H) -> Self {
        Self {
            harness,
            topic: samples::topic("work"),
            held: HeldMessages::default(),
            consumers: [None, None],
            given: Vec::new(),
            tokens: Vec::new(),
            nonces: Vec::new(),
            ticks: 0,
            compared: 0,
        }
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each operation")]
    pub(super) async fn step(&mut self, operation: &ScheduledOperation, context: &str) {
        match operation {
            ScheduledOperation::Append => self.append().await,
            ScheduledOperation::Delete { id } => self.delete(*id, context).await,
            ScheduledOperation::DeleteBefore { id, limit } => {
                self.delete_before(*id, *limit, context).await;
            }
            ScheduledOperation::Prune { max_count } => self.prune(*max_count).await,
            ScheduledOperation::Put {
                consumer,
                settings,
                start,
            } => {
                self.put(*consumer, *settings, *start, context).await;
            }
            ScheduledOperation::DeleteConsumer { consumer } => {
                self.delete_consumer(*consumer, context).await;
            }
            ScheduledOperation::Pull {
                consumer,
                limit,
                lease,
            } => {
                self.pull(*consumer, *limit, *lease, context).await;
            }
            ScheduledOperation::Ack { consumer, leases }
            | ScheduledOperation::Release { consumer, leases }
            | ScheduledOperation::Nack {
                consumer, leases, ..
            }
            | ScheduledOperation::Extend {
                consumer, leases, ..
            } => {
                let update = self.lease_update(operation);
                self.update(*consumer, leases, update, context).await;
            }
            ScheduledOperation::Requeue {
                consumer,
                from,
                to,
                limit,
            } => {
                let (from, to) = (self.id(*from), self.id(*to));
                let limit = PageLimit::parse(*limit).unwrap();
                let request = RequeueRequest { from, to, limit };
                self.requeue(*consumer, request, context).await;
            }
            ScheduledOperation::GiveBack { consumer, pull } => {
                self.give_back(*consumer, *pull, context).await;
            }
            ScheduledOperation::Seek { consumer, to } => self.seek(*consumer, *to, context).await,
            ScheduledOperation::Redrive { consumer, ids } => {
                self.redrive(*consumer, ids.as_deref(), context).await;
            }
            ScheduledOperation::DeleteDead { consumer, id } => {
                self.delete_dead_letter(*consumer, *id, context).await;
            }
            ScheduledOperation::Pass(millis) => self.pass(*millis),
            ScheduledOperation::Reopen => self.reopen(context).await,
        }
    }

    fn pass(&self, millis: u64) {
        if let Some(clock) = self.harness.clock() {
            clock.advance(Duration::from_millis(millis));
        }
    }

    /// What the operation does with its leases; a release for an operation without leases.
    fn lease_update(&self, operation: &ScheduledOperation) -> LeaseUpdate {
        match operation {
            ScheduledOperation::Ack { .. } => LeaseUpdate::Ack,
            ScheduledOperation::Nack { delay, reason, .. } => LeaseUpdate::Nack {
                delay: values::delay(*delay, self.has_clock()),
                reason: reason.then(|| FailureReason::parse("no").unwrap()),
            },
            ScheduledOperation::Extend { lease, .. } => {
                LeaseUpdate::Extend(values::lease(*lease, self.has_clock()))
            }
            _ => LeaseUpdate::Release,
        }
    }

    async fn delete_consumer(&mut self, consumer: u8, context: &str) {
        let key = key(&self.topic, consumer);
        let deleted = self
            .harness
            .consumers()
            .delete(&key, &Precondition::None)
            .await;
        let model = self.consumers[usize::from(consumer)].take();
        let expected = model.map(|_| ()).ok_or(ConsumerError::NotFound);
        assert_eq!(deleted, expected, "{context}");
    }

    async fn give_back(&mut self, consumer: u8, pull: u8, context: &str) {
        let Some(nonce) = pick(&self.nonces, pull) else {
            return;
        };
        let key = key(&self.topic, consumer);
        let returned = self.harness.consumers().give_back(&key, nonce).await;
        let now = self.now();
        let expected = self.on_model(consumer, |model| model.give_back(nonce, now));
        assert_eq!(returned, expected, "{context}");
    }

    async fn requeue(&mut self, consumer: u8, request: RequeueRequest, context: &str) {
        let key = key(&self.topic, consumer);
        let requeued = self.harness.webhooks().requeue(&key, request).await;
        let requeued = requeued.map(|one| (one.queued, one.next.map(|next| next.from)));
        let now = self.now();
        let held = std::mem::take(&mut self.held);
        let expected = self.on_model(consumer, |model| model.requeue(&held, request, now));
        self.held = held;
        assert_eq!(requeued, expected, "{context}");
    }

    async fn delete_dead_letter(&mut self, consumer: u8, id: u8, context: &str) {
        let (key, id) = (key(&self.topic, consumer), self.id(id));
        let deleted = self.harness.consumers().delete_dead_letter(&key, id).await;
        let expected = self.on_model(consumer, |model| model.dead.remove(&id).is_some());
        assert_eq!(deleted, expected, "{context}");
    }

    /// With a real clock, each operation has a millisecond of its own.
    pub(super) async fn tick(&mut self) {
        if !self.has_clock() {
            self.ticks += 1;
            self.harness.pass(2 * MILLISECOND).await;
        }
        self.expire();
    }

    pub(super) fn expire(&mut self) {
        let now = self.now();
        for model in self.consumers.iter_mut().flatten() {
            model.expire(now);
        }
    }

    async fn append(&mut self) {
        let append = samples::append(&self.topic, "x");
        let appended = self.harness.store().append(append).await.unwrap();
        let id = appended.receipt.id;
        self.given.push(id);
        self.held.held.push(id);
        for model in self.consumers.iter_mut().flatten() {
            model.messages.insert(id, MessageState::New);
        }
    }

    async fn delete(&mut self, id: u8, context: &str) {
        let id = self.id(id);
        let is_held = self.held.held.contains(&id);
        let deleted = self.harness.store().delete(&self.topic, id).await;
        assert_eq!(deleted, Ok(is_held), "{context}");
        if is_held {
            self.remove(id, ModelRemoval::Deleted);
        }
    }

    async fn delete_before(&mut self, id: u8, limit: usize, context: &str) {
        let before = self.id(id);
        let held = self.held.held.iter().copied();
        let older: Vec<_> = held.filter(|id| *id < before).collect();
        let expected = BulkDeletion {
            deleted: older.len().min(limit),
            more: older.len() > limit,
        };
        let store = self.harness.store();
        let deleted = store.delete_before(&self.topic, before, limit).await;
        assert_eq!(deleted, Ok(expected), "{context}");
        for id in older.into_iter().take(limit) {
            self.remove(id, ModelRemoval::Deleted);
        }
    }

    async fn prune(&mut self, max_count: u64) {
        let policy = RetentionPolicy {
            max_age: LONG,
            max_count,
        };
        while self.harness.store().prune(&policy, 100).await.unwrap().more {}
        let kept = usize::try_from(max_count).unwrap();
        let excess = self.held.held.len().saturating_sub(kept);
        let removed: Vec<_> = self.held.held.iter().copied().take(excess).collect();
        for id in removed {
            self.remove(id, ModelRemoval::Pruned);
        }
    }

    fn remove(&mut self, id: MessageId, removal: ModelRemoval) {
        self.held.held.retain(|held| *held != id);
        for model in self.consumers.iter_mut().flatten() {
            model.removed(id, removal);
        }
    }

    async fn put(&mut self, consumer: u8, settings: u8, start: Position, context: &str) {
        let settings = values::settings(settings, self.has_clock());
        let start = self.position(start);
        let put = PutConsumer {
            settings: settings.clone(),
            tag: SettingsTag::from_bytes([consumer; SettingsTag::LENGTH]),
            start,
            precondition: Precondition::None,
        };
        let key = key(&self.topic, consumer);
        let outcome = self.harness.consumers().put(&key, put).await;
        let place = usize::from(consumer);
        let created = self.consumers[place].is_none();
        assert_eq!(outcome.map(|put| put.created), Ok(created), "{context}");
        let position = start.cursor(self.newest());
        match &mut self.consumers[place] {
            Some(model) => model.settings = settings,
            absent => *absent = Some(ConsumerModel::new(settings, &self.held, position)),
        }
    }

    async fn pull(&mut self, consumer: u8, limit: u64, lease: u8, context: &str) {
        let bits = u64::try_from(self.nonces.len()).unwrap() + 1;
        let request = PullRequest {
            limit: PullLimit::parse(limit).unwrap(),
            lease: values::lease(lease, self.has_clock()),
            nonce: LeaseNonce::from_bits(bits),
        };
        let key = key(&self.topic, consumer);
        let pulled = self.harness.consumers().pull(&key, request).await;
        let now = self.now();
        let expected = self.on_model(consumer, |model| {
            let messages = model.pull(&request, now);
            let more = model.capacity() > 0 && !model.ready(now).is_empty();
            let expires = now.saturating_add(request.lease.unwrap_or(model.settings.lease).get());
            (messages, more, model.next_due(now), expires)
        });
        let (pulled, expected) = match (pulled, expected) {
            (Ok(pulled), Ok(expected)) => (pulled, expected),
            (pulled, expected) => {
                return assert_eq!(pulled.err(), expected.err(), "{context}");
            }
        };
        let messages = pulled.messages.iter();
        let messages: Vec<_> = messages
            .map(|leased| (leased.message.id, leased.attempt))
            .collect();
        assert_eq!(
            (messages, pulled.more),
            (expected.0, expected.1),
            "{context}"
        );
        if self.has_clock() {
            assert_eq!(pulled.next_due, expected.2, "{context}");
            let ends = pulled.messages.iter().map(|leased| leased.expires_at);
            assert!(ends.into_iter().all(|end| end == expected.3), "{context}");
        }
        self.nonces.push(request.nonce);
        let tokens = pulled
            .messages
            .iter()
            .map(|leased| leased.token(request.nonce));
        self.tokens.extend(tokens);
    }

    async fn update(&mut self, consumer: u8, leases: &[u8], update: LeaseUpdate, context: &str) {
        let mut tokens: Vec<_> = leases
            .iter()
            .filter_map(|lease| self.token(*lease))
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        let key = key(&self.topic, consumer);
        let consumers = self.harness.consumers();
        let updated = consumers.update_leases(&key, &tokens, update.clone()).await;
        let now = self.now();
        let expected = self.on_model(consumer, |model| model.update(&tokens, &update, now));
        let end = |outcome: &Result<posthorn_application::LeasesUpdated, _>| {
            outcome.as_ref().ok().and_then(|updated| updated.expires_at)
        };
        if self.has_clock() {
            assert_eq!(end(&updated), end(&expected), "{context}");
        }
        let valid = |outcome: Result<posthorn_application::LeasesUpdated, ConsumerError>| {
            outcome.map(|updated| updated.valid)
        };
        assert_eq!(valid(updated), valid(expected), "{context}");
    }

    async fn seek(&mut self, consumer: u8, to: Position, context: &str) {
        let (key, to) = (key(&self.topic, consumer), self.position(to));
        let status = self.harness.consumers().seek(&key, to).await;
        let (position, now) = (to.cursor(self.newest()), self.now());
        let held = std::mem::take(&mut self.held);
        let expected = self.on_model(consumer, |model| {
            model.seek(&held, position, now);
            model.counts()
        });
        self.held = held;
        assert_eq!(status.map(|status| status.counts), expected, "{context}");
    }

    async fn redrive(&mut self, consumer: u8, ids: Option<&[u8]>, context: &str) {
        let ids = match ids {
            None => self
                .on_model(consumer, |model| model.dead_ids())
                .unwrap_or_default(),
            Some(ids) => {
                let mut ids: Vec<_> = ids.iter().map(|id| self.id(*id)).collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            }
        };
        let key = key(&self.topic, consumer);
        let redriven = self.harness.consumers().redrive(&key, &ids).await;
        let now = self.now();
        let expected = self.on_model(consumer, |model| model.redrive(&ids, now));
        assert_eq!(redriven, expected, "{context}");
    }
}
