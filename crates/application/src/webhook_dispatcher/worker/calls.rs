//! The calls of a worker. Each owns what it uses and ends with an event for the worker.

use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{
    Backoff, ConsumerKey, DisableReason, LeaseDuration, LeaseNonce, PullLimit, WebhookAttempt,
    WebhookHealth, WebhookUrl,
};

use super::disabling::disable;
use crate::consumer_service::give_back;
use crate::ports::consumer_store::{ConsumerError, PullRequest, PulledLeases};
use crate::ports::message_store::Subscription;
use crate::ports::webhook_store::{WebhookIncarnation, WebhookTarget};
use crate::webhook_dispatcher::ports::WebhookDispatcherPorts;
use crate::webhook_dispatcher::settlement::{SettledLeases, SettlementGroup};
use crate::webhook_dispatcher::stop::Orders;

/// The waits between attempts to watch the consumer.
const WATCH_RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// A call of the worker ended.
pub(super) enum WorkerEvent {
    /// The fleet ordered something; with the number of orders so far.
    Ordered(u64),
    /// The consumer is watched from now on.
    Watching(Box<dyn Subscription>),
    /// A pull may hand out more than before.
    Changed(Box<dyn Subscription>),
    /// The webhook does not exist.
    Deleted,
    Pulled(PullOutcome),
    Settled(SettledLeases),
    /// The health afterwards, `None` if the webhook is deleted; or the attempts after a failure.
    Recorded(Result<Option<WebhookHealth>, Vec<WebhookAttempt>>),
    /// True if the webhook is disabled.
    Disabled(DisableReason, bool),
    /// Of no consequence.
    GivenBack,
}

/// The outcome of a pull.
pub(super) struct PullOutcome {
    pub(super) nonce: LeaseNonce,
    pub(super) limit: PullLimit,
    /// The earliest end of the leases, by the monotonic clock.
    pub(super) lease_end: Duration,
    pub(super) result: Result<PulledLeases, ConsumerError>,
}

/// Calls the store for one webhook.
#[derive(Clone)]
pub(super) struct StoreCalls {
    pub(super) ports: Arc<WebhookDispatcherPorts>,
    pub(super) key: ConsumerKey,
    /// The webhook that the attempts are of: one that has its name later gets nothing of them.
    pub(super) incarnation: WebhookIncarnation,
}

pub(super) async fn await_order(orders: Arc<Orders>, mut seen: u64) -> WorkerEvent {
    orders.changed(&mut seen).await;
    WorkerEvent::Ordered(seen)
}

pub(super) async fn await_change(mut subscription: Box<dyn Subscription>) -> WorkerEvent {
    subscription.changed().await;
    WorkerEvent::Changed(subscription)
}

impl StoreCalls {
    pub(super) async fn watch(self) -> WorkerEvent {
        let mut backoff = WATCH_RETRY;
        loop {
            match self.ports.consumers.watch(&self.key).await {
                Ok(subscription) => return WorkerEvent::Watching(subscription),
                Err(ConsumerError::NotFound) => return WorkerEvent::Deleted,
                Err(_) => self.ports.clock.sleep(backoff.next_wait()).await,
            }
        }
    }

    /// The lease is as long as the caller expects, also if the settings have just changed: under a
    /// shorter one another process could get a message before its attempt here has ended.
    pub(super) async fn pull(
        self,
        limit: PullLimit,
        lease: LeaseDuration,
        lease_end: Duration,
    ) -> WorkerEvent {
        let nonce = LeaseNonce::from_bits(self.ports.random.bits());
        let request = PullRequest {
            limit,
            lease: Some(lease),
            nonce,
        };
        let result = self.ports.consumers.pull(&self.key, request).await;
        WorkerEvent::Pulled(PullOutcome {
            nonce,
            limit,
            lease_end,
            result,
        })
    }

    pub(super) async fn give_back(self, nonce: LeaseNonce, lease_end: Duration) -> WorkerEvent {
        let ports = &self.ports;
        give_back(
            &*ports.consumers,
            &*ports.clock,
            (&self.key, nonce),
            lease_end,
        )
        .await;
        WorkerEvent::GivenBack
    }

    pub(super) async fn settle(self, group: SettlementGroup) -> WorkerEvent {
        WorkerEvent::Settled(group.settle(&self.ports, &self.key).await)
    }

    pub(super) async fn record(self, attempts: Vec<WebhookAttempt>) -> WorkerEvent {
        let webhooks = &self.ports.webhooks;
        let recording = webhooks.record_attempts(&self.key, self.incarnation, &attempts);
        WorkerEvent::Recorded(match recording.await {
            Ok(health) => Ok(Some(health)),
            Err(ConsumerError::NotFound) => Ok(None),
            Err(_) => Err(attempts),
        })
    }

    pub(super) async fn disable(
        self,
        reason: DisableReason,
        attempted: Option<WebhookUrl>,
    ) -> WorkerEvent {
        let of = WebhookTarget {
            incarnation: self.incarnation,
            url: attempted,
        };
        let is_disabled = disable(&self.ports, &self.key, reason, &of).await;
        WorkerEvent::Disabled(reason, is_disabled)
    }
}
