//! The workers of all webhooks: one for each webhook that is enabled.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use posthorn_domain::{Backoff, ConsumerKey};

use super::drain::Drain;
use super::event_queue::EventQueue;
use super::plan::DeliveryPlan;
use super::ports::WebhookDispatcherPorts;
use super::stop::{Orders, Stop};
use super::worker::WebhookWorker;
use crate::ports::message_store::{PageLimit, StoreError, Subscription};
use crate::ports::webhook_store::{WebhookRecord, WebhookStatus};

/// The time between two looks at all webhooks if no change was announced.
const SYNC_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest time between two looks: changes that come close together share one.
const MIN_SYNC_INTERVAL: Duration = Duration::from_millis(100);
/// The waits after a failure of the store.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// An event loop that starts, changes and stops the workers, and runs them.
pub(super) struct Fleet<'a> {
    ports: &'a Arc<WebhookDispatcherPorts>,
    drain: &'a Drain,
    members: HashMap<ConsumerKey, FleetMember>,
    workers: EventQueue<ConsumerKey>,
    calls: EventQueue<FleetEvent>,
    is_syncing: bool,
    /// When the webhooks are read next, by the monotonic clock.
    sync_at: Duration,
    /// The earliest time of the next look, by the monotonic clock.
    earliest_sync_at: Duration,
    backoff: Backoff,
}

/// The worker of a webhook.
struct FleetMember {
    orders: Arc<Orders>,
    /// The record that it works by. A record of another process has another nonce, so that records
    /// compare as wholes.
    record: WebhookRecord,
    /// False if the secrets of the record cannot be decrypted, which is logged once.
    is_working: bool,
}

enum FleetEvent {
    Synced(Result<Vec<WebhookStatus>, StoreError>),
    Watching(Box<dyn Subscription>),
    Changed(Box<dyn Subscription>),
}

impl<'a> Fleet<'a> {
    pub(super) fn new(ports: &'a Arc<WebhookDispatcherPorts>, drain: &'a Drain) -> Self {
        Self {
            ports,
            drain,
            members: HashMap::new(),
            workers: EventQueue::new(),
            calls: EventQueue::new(),
            is_syncing: false,
            sync_at: Duration::ZERO,
            earliest_sync_at: Duration::ZERO,
            backoff: RETRY,
        }
    }

    /// Runs until a drain is requested and done.
    pub(super) async fn run(mut self) {
        self.watch();
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
            }
        }
    }

    fn sync_if_due(&mut self) {
        let now = self.ports.clock.monotonic();
        let at = self.sync_at.max(self.earliest_sync_at);
        if self.is_syncing {
            self.calls.set_timer(&self.ports.clock, None);
        } else if now < at {
            self.calls.set_timer(&self.ports.clock, Some(at));
        } else {
            self.is_syncing = true;
            // A change during the look asks for another one.
            self.sync_at = now.saturating_add(SYNC_INTERVAL);
            self.earliest_sync_at = now.saturating_add(MIN_SYNC_INTERVAL);
            let ports = Arc::clone(self.ports);
            self.calls
                .start(async move { FleetEvent::Synced(read_all(&ports).await) });
        }
    }

    fn synced(&mut self, outcome: Result<Vec<WebhookStatus>, StoreError>) {
        self.is_syncing = false;
        match outcome {
            Ok(webhooks) => {
                self.backoff.reset();
                self.apply(webhooks);
            }
            Err(error) => {
                tracing::debug!(%error, "webhooks could not be read");
                let now = self.ports.clock.monotonic();
                let retry_at = now.saturating_add(self.backoff.next_wait());
                self.sync_at = self.sync_at.min(retry_at);
                self.earliest_sync_at = retry_at;
            }
        }
    }

    /// Makes the workers those of `webhooks`, which are all that there are.
    fn apply(&mut self, webhooks: Vec<WebhookStatus>) {
        let enabled = webhooks
            .into_iter()
            .filter(|webhook| webhook.health.disabled.is_none());
        let mut enabled: HashMap<_, _> = enabled
            .map(|webhook| (webhook.consumer.key, webhook.record))
            .collect();
        self.members
            .retain(|key, member| match enabled.remove(key) {
                // Its worker leaves the map at its end. A record that could not be used has no worker.
                None => {
                    member.orders.stop(Stop::Finish);
                    member.is_working
                }
                // The end of its worker asks for the next look, which starts a new one.
                Some(_) if member.orders.is_stopped() => true,
                Some(record) if record == member.record => true,
                Some(record) => change(self.ports, key, member, record, &mut self.workers),
            });
        for (key, record) in enabled {
            let mut member = FleetMember {
                orders: Arc::default(),
                record: record.clone(),
                is_working: false,
            };
            change(self.ports, &key, &mut member, record, &mut self.workers);
            self.members.insert(key, member);
        }
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

/// Gives the worker of `member` a new record, and starts the worker if there is none. Returns true:
/// the member stays, also if its secrets cannot be decrypted.
fn change(
    ports: &Arc<WebhookDispatcherPorts>,
    key: &ConsumerKey,
    member: &mut FleetMember,
    record: WebhookRecord,
    workers: &mut EventQueue<ConsumerKey>,
) -> bool {
    match DeliveryPlan::prepare(ports, key, &record) {
        Ok(plan) if member.is_working => member.orders.change(plan),
        Ok(plan) => {
            member.is_working = true;
            let (ports, orders) = (Arc::clone(ports), Arc::clone(&member.orders));
            workers.start(WebhookWorker::new(ports, key.clone(), orders, plan).run());
        }
        Err(error) => {
            tracing::error!(topic = %key.topic, webhook = %key.name, %error, "webhook stopped");
            if member.is_working {
                member.orders.stop(Stop::Finish);
            }
        }
    }
    member.record = record;
    true
}

/// All webhooks of all topics.
async fn read_all(ports: &WebhookDispatcherPorts) -> Result<Vec<WebhookStatus>, StoreError> {
    let mut webhooks = Vec::new();
    let mut after = None;
    loop {
        let topics = ports
            .consumers
            .topics_with_consumers(after.as_ref(), PageLimit::MAX);
        let topics = topics.await?;
        for topic in &topics {
            webhooks.extend(ports.webhooks.webhooks(topic).await?);
        }
        match topics.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(webhooks),
        }
    }
}
