//! A store of webhooks and their messages that fails on request.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{
    Clock, ConsumerDelivery, ConsumerError, ConsumerNotifier, ConsumerPut, ConsumerStatus,
    ConsumerStore, DeadLetterPage, DeadLetterRequest, LeaseUpdate, LeasesUpdated, PageLimit,
    Precondition, PullRequest, PulledLeases, PutConsumer, PutWebhook, Redriven, RequeueRequest,
    Requeued, StoreError, Subscription, WebhookIncarnation, WebhookPut, WebhookStatus,
    WebhookStore, WebhookTarget,
};
use posthorn_domain::{
    Attempt, ConsumerKey, ConsumerKind, ConsumerPosition, DisableReason, LeaseNonce, LeaseToken,
    MessageId, SettingsTag, Timestamp, Topic, WebhookAttempt, WebhookHealth,
};
use posthorn_testkit::{FakeClock, samples};

use crate::model::{FakeWebhook, MessageFate, waiting};

pub(crate) type Outcome<T> = Result<T, ConsumerError>;

pub(crate) struct FakeWebhookStore {
    clock: Arc<FakeClock>,
    webhooks: Mutex<BTreeMap<ConsumerKey, FakeWebhook>>,
    notifier: Arc<ConsumerNotifier>,
    changes: tokio::sync::watch::Sender<u64>,
    /// How many of the next calls of an operation fail, and whether they take effect all the same.
    failures: Mutex<HashMap<&'static str, (usize, bool)>>,
    /// The calls of each operation.
    calls: Mutex<HashMap<&'static str, usize>>,
    /// The topic whose webhooks cannot be read.
    pub(crate) damaged: Mutex<Option<Topic>>,
    /// The topic that the index has lost.
    pub(crate) unlisted: Mutex<Option<Topic>>,
    /// How many of the next puts come after a change by another process.
    pub(crate) conflicts: AtomicUsize,
    /// How far a pull moves the clock.
    pub(crate) pull_takes: Mutex<Duration>,
    sequence: AtomicUsize,
}

impl FakeWebhookStore {
    pub(crate) fn new(clock: Arc<FakeClock>) -> Self {
        Self {
            clock,
            webhooks: Mutex::default(),
            notifier: Arc::default(),
            changes: tokio::sync::watch::Sender::new(0),
            failures: Mutex::default(),
            calls: Mutex::default(),
            damaged: Mutex::default(),
            unlisted: Mutex::default(),
            conflicts: AtomicUsize::default(),
            pull_takes: Mutex::default(),
            sequence: AtomicUsize::new(1),
        }
    }

    /// Lets the next `count` calls of `operation` fail, with or without effect.
    pub(crate) fn fail_next(&self, operation: &'static str, count: usize, with_effect: bool) {
        let failure = (count, with_effect);
        self.failures.lock().unwrap().insert(operation, failure);
    }

    pub(crate) fn calls(&self, operation: &'static str) -> usize {
        *self.calls.lock().unwrap().get(operation).unwrap_or(&0)
    }

    /// Appends `count` messages to the topic of `key` and returns their ids.
    pub(crate) fn append(&self, key: &ConsumerKey, count: usize) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) as u64;
            let id = MessageId::new(self.clock.now(), sequence);
            let message = Arc::new(samples::message(&key.topic, "text").accepted(id));
            let mut webhooks = self.webhooks.lock().unwrap();
            for (_, webhook) in webhooks.iter_mut().filter(|(of, _)| of.topic == key.topic) {
                let state = waiting(self.clock.now(), Attempt::FIRST);
                webhook.messages.insert(id, (Arc::clone(&message), state));
            }
            ids.push(id);
        }
        self.notifier.notify_topics([key.topic.as_str()]);
        ids
    }

    pub(crate) fn state(&self, key: &ConsumerKey, id: MessageId) -> MessageFate {
        self.read(key, |webhook| webhook.messages[&id].1.clone())
    }

    pub(crate) fn read<T>(&self, key: &ConsumerKey, read: impl FnOnce(&FakeWebhook) -> T) -> T {
        read(&self.webhooks.lock().unwrap()[key])
    }

    /// Applies `operation` to a webhook at the clock's time, as the requested failures have it.
    fn step<T>(
        &self,
        name: &'static str,
        key: &ConsumerKey,
        operation: impl FnOnce(&mut FakeWebhook, Timestamp) -> T,
    ) -> Outcome<T> {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        let unavailable = Err(StoreError::Unavailable("as the test wants".to_owned()).into());
        let failure = match self.failures.lock().unwrap().get_mut(name) {
            Some((count, with_effect)) if *count > 0 => {
                *count -= 1;
                Some(*with_effect)
            }
            _ => None,
        };
        if failure == Some(false) {
            return unavailable;
        }
        let mut webhooks = self.webhooks.lock().unwrap();
        let webhook = webhooks.get_mut(key).ok_or(ConsumerError::NotFound)?;
        let now = self.clock.now();
        webhook.expire(now);
        let outcome = operation(webhook, now);
        drop(webhooks);
        if failure.is_some() {
            unavailable
        } else {
            Ok(outcome)
        }
    }

    fn announce(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

#[async_trait]
impl ConsumerStore for FakeWebhookStore {
    async fn put(&self, _: &ConsumerKey, _: PutConsumer) -> Outcome<ConsumerPut> {
        Err(ConsumerError::NotFound)
    }

    async fn status(&self, _: &ConsumerKey) -> Outcome<ConsumerStatus> {
        Err(ConsumerError::NotFound)
    }

    async fn list(&self, _: &Topic, _: ConsumerKind) -> Result<Vec<ConsumerStatus>, StoreError> {
        Ok(Vec::new())
    }

    async fn deliveries(
        &self,
        _: &Topic,
        _: ConsumerKind,
        _: MessageId,
    ) -> Result<Vec<ConsumerDelivery>, StoreError> {
        Ok(Vec::new())
    }

    async fn topics_with_consumers(
        &self,
        after: Option<&Topic>,
        _: PageLimit,
    ) -> Result<Vec<Topic>, StoreError> {
        *self.calls.lock().unwrap().entry("topics").or_default() += 1;
        let webhooks = self.webhooks.lock().unwrap();
        let mut topics: Vec<_> = webhooks.keys().map(|key| key.topic.clone()).collect();
        topics.dedup();
        let unlisted = self.unlisted.lock().unwrap();
        topics.retain(|topic| after.is_none_or(|after| topic > after));
        topics.retain(|topic| unlisted.as_ref() != Some(topic));
        Ok(topics)
    }

    async fn delete(&self, key: &ConsumerKey, _: &Precondition) -> Outcome<()> {
        let removed = self.webhooks.lock().unwrap().remove(key);
        self.notifier.notify(key);
        self.announce();
        removed.map(drop).ok_or(ConsumerError::NotFound)
    }

    async fn pull(&self, key: &ConsumerKey, request: PullRequest) -> Outcome<PulledLeases> {
        let pulled = self.step("pull", key, |webhook, now| webhook.pull(&request, now));
        let takes = *self.pull_takes.lock().unwrap();
        if !takes.is_zero() {
            self.clock.advance(takes);
        }
        pulled
    }

    async fn update_leases(
        &self,
        key: &ConsumerKey,
        leases: &[LeaseToken],
        update: LeaseUpdate,
    ) -> Outcome<LeasesUpdated> {
        let valid = self.step("update", key, |webhook, now| {
            let update = |token: &LeaseToken| webhook.update(*token, &update, now);
            leases.iter().map(update).collect()
        });
        self.notifier.notify(key);
        let expires_at = None;
        valid.map(|valid| LeasesUpdated { valid, expires_at })
    }

    async fn give_back(&self, key: &ConsumerKey, nonce: LeaseNonce) -> Outcome<()> {
        self.step("give_back", key, |webhook, now| {
            for (_, state) in webhook.messages.values_mut() {
                if let MessageFate::Leased {
                    attempt, nonce: of, ..
                } = *state
                    && of == nonce
                {
                    *state = waiting(now, attempt);
                }
            }
        })?;
        self.notifier.notify(key);
        Ok(())
    }

    async fn seek(&self, _: &ConsumerKey, _: ConsumerPosition) -> Outcome<ConsumerStatus> {
        Err(ConsumerError::NotFound)
    }

    async fn dead_letters(&self, _: &ConsumerKey, _: DeadLetterRequest) -> Outcome<DeadLetterPage> {
        Err(ConsumerError::NotFound)
    }

    async fn redrive(&self, _: &ConsumerKey, _: &[MessageId]) -> Outcome<Redriven> {
        Err(ConsumerError::NotFound)
    }

    async fn delete_dead_letter(&self, _: &ConsumerKey, _: MessageId) -> Outcome<bool> {
        Err(ConsumerError::NotFound)
    }

    async fn watch(&self, key: &ConsumerKey) -> Outcome<Box<dyn Subscription>> {
        Ok(Box::new(self.notifier.subscribe(key)))
    }
}

#[async_trait]
impl WebhookStore for FakeWebhookStore {
    async fn put_webhook(&self, key: &ConsumerKey, put: PutWebhook) -> Outcome<WebhookPut> {
        let mut webhooks = self.webhooks.lock().unwrap();
        let conflicts = self.conflicts.load(Ordering::Relaxed);
        if let (Some(webhook), 1..) = (webhooks.get_mut(key), conflicts) {
            self.conflicts.store(conflicts - 1, Ordering::Relaxed);
            let number = u8::try_from(conflicts % 250).unwrap();
            webhook.tag = SettingsTag::from_bytes([number; SettingsTag::LENGTH]);
        }
        let current = webhooks.get(key).map(|webhook| webhook.tag);
        if !put.precondition.holds(current) {
            return Err(ConsumerError::PreconditionFailed);
        }
        let webhook = webhooks.entry(key.clone()).or_insert_with(|| FakeWebhook {
            incarnation: WebhookIncarnation(self.sequence.fetch_add(1, Ordering::Relaxed) as u64),
            record: put.record.clone(),
            tag: put.tag,
            health: WebhookHealth::default(),
            attempts: Vec::new(),
            messages: BTreeMap::new(),
        });
        (webhook.record, webhook.tag) = (put.record, put.tag);
        let status = webhook.status(key);
        drop(webhooks);
        self.announce();
        let created = current.is_none();
        Ok(WebhookPut { created, status })
    }

    async fn webhook(&self, key: &ConsumerKey) -> Outcome<WebhookStatus> {
        self.step("webhook", key, |webhook, _| webhook.status(key))
    }

    async fn webhooks(&self, topic: &Topic) -> Result<Vec<WebhookStatus>, StoreError> {
        if self.damaged.lock().unwrap().as_ref() == Some(topic) {
            return Err(StoreError::Corrupt("as the test wants".to_owned()));
        }
        let webhooks = self.webhooks.lock().unwrap();
        let of_topic = webhooks.iter().filter(|(key, _)| key.topic == *topic);
        Ok(of_topic.map(|(key, webhook)| webhook.status(key)).collect())
    }

    async fn set_disabled(
        &self,
        key: &ConsumerKey,
        reason: Option<DisableReason>,
        of: Option<&WebhookTarget>,
    ) -> Outcome<bool> {
        let changed = self.step("disable", key, |webhook, _| {
            let url = &webhook.record.settings.url;
            let exists = of.is_none_or(|of| of.is(webhook.incarnation, url));
            exists.then(|| webhook.health.set_disabled(reason))
        });
        if reason.is_none() {
            self.notifier.notify(key);
        }
        self.announce();
        changed?.ok_or(ConsumerError::NotFound)
    }

    async fn record_attempts(
        &self,
        key: &ConsumerKey,
        of: WebhookIncarnation,
        attempts: &[WebhookAttempt],
    ) -> Outcome<WebhookHealth> {
        let recorded = self.step("record", key, |webhook, _| {
            if webhook.incarnation != of {
                return None;
            }
            for attempt in attempts {
                webhook.health.record(attempt);
                webhook.attempts.push(attempt.clone());
            }
            Some(webhook.health.clone())
        });
        recorded?.ok_or(ConsumerError::NotFound)
    }

    async fn attempts(&self, key: &ConsumerKey) -> Outcome<Vec<WebhookAttempt>> {
        self.step("attempts", key, |webhook, _| {
            webhook.attempts.iter().rev().cloned().collect()
        })
    }

    async fn requeue(&self, key: &ConsumerKey, request: RequeueRequest) -> Outcome<Requeued> {
        let requeued = self.step("requeue", key, |webhook, now| {
            let mut requeued = Requeued::default();
            let range = webhook.messages.range_mut(request.from..=request.to);
            for (examined, (id, (_, state))) in range.enumerate() {
                if examined == request.limit.get() {
                    requeued.next = Some(RequeueRequest {
                        from: *id,
                        ..request
                    });
                    break;
                }
                if *state == MessageFate::Acked {
                    *state = waiting(now, Attempt::FIRST);
                    requeued.queued += 1;
                }
            }
            requeued
        });
        self.notifier.notify(key);
        requeued
    }

    async fn watch_webhooks(&self) -> Result<Box<dyn Subscription>, StoreError> {
        Ok(Box::new(Changes(self.changes.subscribe())))
    }
}

struct Changes(tokio::sync::watch::Receiver<u64>);

#[async_trait]
impl Subscription for Changes {
    async fn changed(&mut self) {
        let _ = self.0.changed().await;
    }
}
