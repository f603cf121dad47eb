//! Settles leases: many in one call, again after a failure of the store, never after their end.

use std::time::Duration;

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

/// The leases of a call that has ended.
pub(super) struct SettledLeases {
    update: LeaseUpdate,
    count: usize,
}

/// The leases of one webhook that are not settled yet.
#[derive(Default)]
pub(super) struct Settlements {
    /// Those that wait for the calls with their update to end.
    waiting: Vec<Settlement>,
    /// The updates of the calls under way.
    settling: Vec<LeaseUpdate>,
    /// All that are not settled, also of attempts under way.
    unsettled: usize,
}

/// Leases with one update, settled by one call.
pub(super) struct SettlementGroup {
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

    /// What to settle now. One call at a time for each update: what ends during a call is settled together in the
    /// next one, and nothing waits for a batch to fill, or for a rejection that the store refuses.
    pub(super) fn start(&mut self) -> Vec<SettlementGroup> {
        let settling = &self.settling;
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (waiting, due) = waiting.partition(|one| settling.contains(&one.update));
        self.waiting = waiting;
        let groups = group(due);
        let updates = groups.iter().map(|group| group.update.clone());
        self.settling.extend(updates);
        groups
    }

    /// A call ended.
    pub(super) fn ended(&mut self, SettledLeases { update, count }: &SettledLeases) {
        if let Some(place) = self.settling.iter().position(|one| one == update) {
            self.settling.swap_remove(place);
        }
        self.unsettled = self.unsettled.saturating_sub(*count);
    }
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
    /// Settles all of them, or gives those up whose lease has ended.
    pub(super) async fn settle(
        mut self,
        ports: &WebhookDispatcherPorts,
        key: &ConsumerKey,
    ) -> SettledLeases {
        let settled = SettledLeases {
            update: self.update.clone(),
            count: self.leases.len(),
        };
        self.settle_in_time(ports, key).await;
        settled
    }

    async fn settle_in_time(&mut self, ports: &WebhookDispatcherPorts, key: &ConsumerKey) {
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

#[cfg(test)]
mod tests {
    use posthorn_domain::{Attempt, LeaseNonce, MessageId};

    use super::*;

    #[test]
    fn an_update_waits_for_the_calls_with_the_same_update_alone() {
        let mut settlements = Settlements::default();
        let nack = LeaseUpdate::Nack {
            delay: None,
            reason: None,
        };
        settlements.granted(4);
        settlements.push(settlement(nack.clone()));
        let first = settlements.start();
        assert_eq!(first.len(), 1);
        settlements.push(settlement(LeaseUpdate::Ack));
        settlements.push(settlement(nack.clone()));
        let acks = settlements.start();
        assert!(matches!(acks.as_slice(), [group] if group.update == LeaseUpdate::Ack));
        settlements.push(settlement(LeaseUpdate::Ack));
        assert!(settlements.start().is_empty());
        settlements.ended(&SettledLeases {
            update: nack,
            count: 1,
        });
        assert_eq!(settlements.unsettled(), 3);
        let second = settlements.start();
        assert!(matches!(second.as_slice(), [group] if group.update != LeaseUpdate::Ack));
    }

    fn settlement(update: LeaseUpdate) -> Settlement {
        Settlement {
            token: LeaseToken {
                id: MessageId::MIN,
                attempt: Attempt::FIRST,
                nonce: LeaseNonce::from_bits(1),
            },
            lease_end: Duration::MAX,
            update,
        }
    }
}
