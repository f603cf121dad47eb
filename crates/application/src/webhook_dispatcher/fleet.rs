//! The workers of all webhooks: one for each webhook that is enabled.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use posthorn_domain::{Backoff, ConsumerKey, Topic};

use super::all_webhooks::AllWebhooks;
use super::change_queue::ChangeQueue;
use super::drain::Drain;
use super::event_queue::EventQueue;
use super::plan::DeliveryPlan;
use super::ports::WebhookDispatcherPorts;
use super::stop::{Orders, Stop};
use super::worker::WebhookWorker;
use crate::ports::consumer_store::ConsumerError;
use crate::ports::message_store::{StoreError, Subscription};
use crate::ports::webhook_store::{WebhookIncarnation, WebhookRecord, WebhookStatus};

/// The time between two looks at all webhooks if no change was announced.
const SYNC_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest wait between two looks: changes that come close together share one.
const MIN_SYNC_PAUSE: Duration = Duration::from_millis(10);
/// The shortest wait between two looks, in durations of the last one. It bounds the load of the
/// store while very many webhooks are changed.
const SYNC_PAUSE_FACTOR: u32 = 9;
/// The waits after a failure of the store.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// An event loop that starts, changes and stops the workers, and runs them.
pub(super) struct Fleet<'a> {
    ports: &'a Arc<WebhookDispatcherPorts>,
    drain: &'a Drain,
    changes: &'a Arc<ChangeQueue>,
    members: HashMap<ConsumerKey, FleetMember>,
    workers: EventQueue<ConsumerKey>,
    calls: EventQueue<FleetEvent>,
    /// The webhooks that were read on their own during the look under way, which may be older.
    followed: HashSet<ConsumerKey>,
    /// The topics whose webhooks could not be read by the last look, which is logged once.
    damaged: HashSet<Topic>,
    /// When the look under way began, by the monotonic clock.
    syncing_since: Option<Duration>,
    /// When the webhooks are read next, by the monotonic clock.
    sync_at: Duration,
    /// The earliest time of the next look, by the monotonic clock.
    earliest_sync_at: Duration,
    backoff: Backoff,
}

/// The worker of a webhook.
struct FleetMember {
    orders: Arc<Orders>,
    incarnation: WebhookIncarnation,
    /// The record that it works by. A record of another process has another nonce, so that records
    /// compare as wholes.
    record: WebhookRecord,
    /// False if the secrets of the record cannot be decrypted, which is logged once.
    is_working: bool,
}

enum FleetEvent {
    Synced(Result<AllWebhooks, StoreError>),
    Watching(Box<dyn Subscription>),
    Changed(Box<dyn Subscription>),
    /// What the store has of webhooks that this process changed, and the number of the last change.
    Followed(
        Vec<(ConsumerKey, Result<WebhookStatus, ConsumerError>)>,
        u64,
    ),
}

impl<'a> Fleet<'a> {
    pub(super) fn new(
        ports: &'a Arc<WebhookDispatcherPorts>,
        drain: &'a Drain,
        changes: &'a Arc<ChangeQueue>,
    ) -> Self {
        Self {
            ports,
            drain,
            changes,
            followed: HashSet::new(),
            damaged: HashSet::new(),
            members: HashMap::new(),
            workers: EventQueue::new(),
            calls: EventQueue::new(),
            syncing_since: None,
            sync_at: Duration::ZERO,
            earliest_sync_at: Duration::ZERO,
            backoff: RETRY,
        }
    }

    /// Runs until a drain is requested and done.
    pub(super) async fn run(mut self) {
        self.watch();
        self.changes.open();
        self.await_announced();
        let drain = self.drain;
        let mut requested = Box::pin(drain.requested());
        let limit = loop {
            self.sync_if_due();
            let (calls, workers) = (&mut self.calls, &mut self.workers);
            // A drain ends the loop at once, whatever else is ready.
            let turn = poll_fn(|context| {
                if let Poll::Ready(limit) = requested.as_mut().poll(context) {
                    return Poll::Ready(Err(limit));
                }
                let (mut events, mut ended) = (Vec::new(), Vec::new());
                calls.poll(context, &mut events);
                workers.poll(context, &mut ended);
                if calls.poll_timer(context) || !events.is_empty() || !ended.is_empty() {
                    Poll::Ready(Ok((events, ended)))
                } else {
                    Poll::Pending
                }
            });
            match turn.await {
                Ok((events, ended)) => self.handle(events, ended),
                Err(limit) => break limit,
            }
        };
        self.changes.close();
        self.end(limit).await;
    }

    fn handle(&mut self, events: Vec<FleetEvent>, ended: Vec<ConsumerKey>) {
        for key in ended {
            self.members.remove(&key);
            // It may be enabled or created again already.
            self.sync_at = Duration::ZERO;
        }
        for event in events {
            match event {
                FleetEvent::Watching(subscription) | FleetEvent::Changed(subscription) => {
                    self.sync_at = Duration::ZERO;
                    self.await_change(subscription);
                }
                FleetEvent::Synced(outcome) => self.synced(outcome),
                FleetEvent::Followed(webhooks, number) => {
                    for (key, webhook) in webhooks {
                        self.follow(key, webhook);
                    }
                    self.changes.followed(number);
                    self.await_announced();
                }
            }
        }
    }

    fn sync_if_due(&mut self) {
        let now = self.ports.clock.monotonic();
        let at = self.sync_at.max(self.earliest_sync_at);
        if self.syncing_since.is_some() {
            self.calls.set_timer(&self.ports.clock, None);
        } else if now < at {
            self.calls.set_timer(&self.ports.clock, Some(at));
        } else {
            self.syncing_since = Some(now);
            self.followed.clear();
            // A change during the look asks for another one.
            self.sync_at = now.saturating_add(SYNC_INTERVAL);
            let ports = Arc::clone(self.ports);
            let known = self.members.keys().map(|key| key.topic.clone()).collect();
            self.calls
                .start(async move { FleetEvent::Synced(AllWebhooks::read(&ports, known).await) });
        }
    }

    fn synced(&mut self, outcome: Result<AllWebhooks, StoreError>) {
        let now = self.ports.clock.monotonic();
        let began = self.syncing_since.take().unwrap_or(now);
        match outcome {
            Ok(webhooks) => {
                self.backoff.reset();
                let pause = now.saturating_sub(began).saturating_mul(SYNC_PAUSE_FACTOR);
                self.earliest_sync_at = now.saturating_add(pause.max(MIN_SYNC_PAUSE));
                for topic in webhooks.damaged.difference(&self.damaged) {
                    tracing::error!(%topic, "the webhooks of a topic cannot be read");
                }
                self.damaged = webhooks.damaged;
                self.apply(webhooks.webhooks);
            }
            Err(error) => {
                tracing::debug!(%error, "webhooks could not be read");
                let retry_at = now.saturating_add(self.backoff.next_wait());
                self.sync_at = self.sync_at.min(retry_at);
                self.earliest_sync_at = retry_at;
            }
        }
    }

    /// Makes the workers those of `webhooks`, which are all that there are in topics that are not damaged.
    fn apply(&mut self, webhooks: Vec<WebhookStatus>) {
        let keyed = webhooks
            .into_iter()
            .map(|webhook| (webhook.consumer.key.clone(), webhook));
        let webhooks: HashMap<_, _> = keyed.collect();
        let known = self.members.keys();
        let is_deleted =
            |key: &&ConsumerKey| !webhooks.contains_key(*key) && !self.damaged.contains(&key.topic);
        let deleted = known.filter(is_deleted).cloned();
        let followed = std::mem::take(&mut self.followed);
        let deleted = deleted.map(|key| (key, None)).collect::<Vec<_>>();
        let present = webhooks
            .into_iter()
            .map(|(key, webhook)| (key, Some(webhook)));
        for (key, webhook) in deleted.into_iter().chain(present) {
            if !followed.contains(&key) {
                self.apply_one(key, webhook);
            }
        }
    }

    /// Follows a webhook that this process changed.
    fn follow(&mut self, key: ConsumerKey, read: Result<WebhookStatus, ConsumerError>) {
        // A look that has ended meanwhile may be newer: another one decides.
        self.sync_at = Duration::ZERO;
        let webhook = match read {
            Ok(webhook) => Some(webhook),
            Err(ConsumerError::NotFound) => None,
            Err(_) => return,
        };
        if self.syncing_since.is_some() {
            self.followed.insert(key.clone());
        }
        self.apply_one(key, webhook);
    }

    fn await_announced(&mut self) {
        let (ports, changes) = (Arc::clone(self.ports), Arc::clone(self.changes));
        self.calls.start(async move {
            let (keys, number) = changes.taken().await;
            let mut webhooks = Vec::with_capacity(keys.len());
            for key in keys {
                let webhook = ports.webhooks.webhook(&key).await;
                webhooks.push((key, webhook));
            }
            FleetEvent::Followed(webhooks, number)
        });
    }

    /// Makes the worker of `key` that of `webhook`, which is `None` if there is no such webhook.
    fn apply_one(&mut self, key: ConsumerKey, webhook: Option<WebhookStatus>) {
        if let Some(member) = self.members.get_mut(&key) {
            let stop = match &webhook {
                Some(webhook) if webhook.incarnation != member.incarnation => Stop::Discard,
                Some(webhook) if webhook.health.disabled.is_some() => Stop::Finish,
                Some(_) => Stop::None,
                None => Stop::Discard,
            };
            // Without an order an idle worker is not woken.
            if stop > Stop::None {
                member.orders.stop(stop);
            }
            if member.is_working {
                // A worker that is stopped leaves the map at its end, which asks for the next look.
                let record = webhook.map(|webhook| webhook.record);
                if let Some(record) = record.filter(|record| *record != member.record)
                    && !member.orders.is_stopped()
                {
                    change(self.ports, &key, member, record, &mut self.workers);
                }
                return;
            }
        }
        // What follows is for a key without a worker: its record may have been unusable.
        let webhook = webhook.filter(|webhook| webhook.health.disabled.is_none());
        let Some(webhook) = webhook else {
            self.members.remove(&key);
            return;
        };
        let known = self.members.get(&key);
        if known.is_some_and(|member| member.record == webhook.record) {
            return;
        }
        let mut member = FleetMember {
            orders: Arc::default(),
            incarnation: webhook.incarnation,
            record: webhook.record.clone(),
            is_working: false,
        };
        change(
            self.ports,
            &key,
            &mut member,
            webhook.record,
            &mut self.workers,
        );
        self.members.insert(key, member);
    }

    fn watch(&mut self) {
        let ports = Arc::clone(self.ports);
        self.calls.start(async move {
            let mut backoff = RETRY;
            loop {
                match ports.webhooks.watch_webhooks().await {
                    Ok(subscription) => return FleetEvent::Watching(subscription),
                    Err(_) => ports.clock.sleep(backoff.next_wait()).await,
                }
            }
        });
    }

    fn await_change(&mut self, mut subscription: Box<dyn Subscription>) {
        self.calls.start(async move {
            subscription.changed().await;
            FleetEvent::Changed(subscription)
        });
    }

    /// Ends all workers: lets them finish until `limit`, then aborts what is under way.
    async fn end(mut self, limit: Duration) {
        // Nobody polls them any more, and a wake-up of the store may be with them: see `GroupWait`.
        self.calls.clear();
        self.stop_all(Stop::Finish);
        self.workers.set_timer(&self.ports.clock, Some(limit));
        let mut running = self.running();
        while running > 0 {
            let ended = self.workers.next().await;
            running = running.saturating_sub(ended.len());
            if self.ports.clock.monotonic() >= limit {
                self.stop_all(Stop::Abort);
            }
        }
    }

    fn stop_all(&self, stop: Stop) {
        for member in self.members.values() {
            member.orders.stop(stop);
        }
    }

    fn running(&self) -> usize {
        let members = self.members.values();
        members.filter(|member| member.is_working).count()
    }
}

/// Gives the worker of `member` a new record, and starts the worker if there is none.
fn change(
    ports: &Arc<WebhookDispatcherPorts>,
    key: &ConsumerKey,
    member: &mut FleetMember,
    record: WebhookRecord,
    workers: &mut EventQueue<ConsumerKey>,
) {
    match DeliveryPlan::prepare(ports, key, &record) {
        Ok(plan) if member.is_working => member.orders.change(plan),
        Ok(plan) => {
            member.is_working = true;
            let (ports, orders) = (Arc::clone(ports), Arc::clone(&member.orders));
            let webhook = (key.clone(), member.incarnation);
            workers.start(WebhookWorker::new(ports, webhook, orders, plan).run());
        }
        Err(error) => {
            tracing::error!(topic = %key.topic, webhook = %key.name, %error, "webhook stopped");
            if member.is_working {
                member.orders.stop(Stop::Finish);
            }
        }
    }
    member.record = record;
}
