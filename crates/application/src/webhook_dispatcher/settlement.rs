//! Settles leases: many in one call, again after a failure of the store, never after their end.

use std::time::Duration;

use futures_util::future::join_all;
use posthorn_domain::{Backoff, ConsumerKey, LeaseBatch, LeaseToken};

use super::ports::WebhookDispatcherPorts;
use crate::ports::consumer_store::{ConsumerError, LeaseUpdate};

/// The first and the longest wait before a call is repeated.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// What becomes of one lease.
pub(super) struct Settlement {
    pub(super) token: LeaseToken,
    /// The earliest end of the lease, by the monotonic clock.
    pub(super) lease_end: Duration,
    pub(super) update: LeaseUpdate,
}

/// The leases of one webhook that are not settled yet.
#[derive(Default)]
pub(super) struct Settlements {
    /// Those that wait for the settling under way to end.
    waiting: Vec<Settlement>,
    is_settling: bool,
    /// All that are not settled, also of attempts under way.
    unsettled: usize,
}

/// Leases with one update.
struct SettlementGroup {
    update: LeaseUpdate,
    leases: Vec<(LeaseToken, Duration)>,
}

impl Settlements {
    /// The number of leases that are not settled.
    pub(super) const fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Counts leases that were granted.
    pub(super) const fn granted(&mut self, leases: usize) {
        self.unsettled = self.unsettled.saturating_add(leases);
    }

    pub(super) fn push(&mut self, settlement: Settlement) {
        self.waiting.push(settlement);
    }

    /// What to settle now. One call at a time: what ends during a call is settled together in the
    /// next one, and nothing waits for a batch to fill.
    pub(super) fn start(&mut self) -> Option<Vec<Settlement>> {
        if self.is_settling || self.waiting.is_empty() {
            return None;
        }
        self.is_settling = true;
        Some(std::mem::take(&mut self.waiting))
    }

    /// The settling under way ended, of so many leases.
    pub(super) const fn ended(&mut self, leases: usize) {
        self.is_settling = false;
        self.unsettled = self.unsettled.saturating_sub(leases);
    }
}

/// Settles all of `settlements`, or gives those up whose lease has ended.
pub(super) async fn settle(
    ports: &WebhookDispatcherPorts,
    key: &ConsumerKey,
    settlements: Vec<Settlement>,
) {
    // At once: a rejection that the store refuses must not hold the acknowledgements back.
    let groups = group(settlements);
    let settling = groups.into_iter().map(|group| group.settle(ports, key));
    join_all(settling).await;
}

/// Groups settlements by their update, in chunks of one call.
fn group(settlements: Vec<Settlement>) -> Vec<SettlementGroup> {
    let mut groups: Vec<SettlementGroup> = Vec::new();
    for settlement in settlements {
        let lease = (settlement.token, settlement.lease_end);
        // There are few groups: the acknowledgements, and one for each kind of failure.
        let fitting = groups.iter_mut().find(|group| {
            group.leases.len() < LeaseBatch::MAX_LENGTH && group.update == settlement.update
        });
        match fitting {
            Some(group) => group.leases.push(lease),
            None => groups.push(SettlementGroup {
                update: settlement.update,
                leases: vec![lease],
            }),
        }
    }
    groups
}

impl SettlementGroup {
    async fn settle(mut self, ports: &WebhookDispatcherPorts, key: &ConsumerKey) {
        let mut backoff = RETRY;
        loop {
            // After its end a lease cannot be settled, and its message is handed out again.
            let now = ports.clock.monotonic();
            let before = self.leases.len();
            self.leases.retain(|(_, end)| now < *end);
            let expired = before - self.leases.len();
            if expired > 0 {
                tracing::warn!(
                    topic = %key.topic, webhook = %key.name, expired,
                    "webhook attempts could not be settled in time; they are repeated"
                );
            }
            if self.leases.is_empty() {
                return;
            }
            let tokens: Vec<_> = self.leases.iter().map(|(token, _)| *token).collect();
            let update = self.update.clone();
            match ports.consumers.update_leases(key, &tokens, update).await {
                Ok(_) | Err(ConsumerError::NotFound) => return,
                // The reply may be lost: settling a lease again changes nothing.
                Err(ConsumerError::Store(error)) if error.is_transient() => {
                    ports.clock.sleep(backoff.next_wait()).await;
                }
                Err(error) => {
                    tracing::error!(
                        topic = %key.topic, webhook = %key.name, %error,
                        "webhook attempts could not be settled"
                    );
                    return;
                }
            }
        }
    }
}
