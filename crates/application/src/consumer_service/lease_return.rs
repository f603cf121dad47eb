//! Giving leases back that their worker did not get.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use posthorn_domain::{Backoff, ConsumerKey, LeaseNonce};

use crate::ports::clock::Clock;
use crate::ports::consumer_store::{ConsumerError, ConsumerStore};
use crate::watched::Watched;

/// The most pulls whose leases wait to be given back. Above it, leases end at their time.
const MAX_RETURNS: usize = 10_000;

/// The first and the longest wait before leases are given back again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// Gives the leases of one pull back when it is dropped before [`DeliveryGuard::delivered`].
#[must_use = "dropping the guard gives the leases back"]
pub struct DeliveryGuard {
    returns: Arc<LeaseReturns>,
    key: ConsumerKey,
    nonce: LeaseNonce,
    armed: bool,
}

/// The pulls whose leases are to be given back.
#[derive(Default)]
pub(super) struct LeaseReturns(Watched<LeaseReturnsState>);

#[derive(Default)]
struct LeaseReturnsState {
    queue: VecDeque<(ConsumerKey, LeaseNonce)>,
    /// Those that were taken and have not ended.
    under_way: usize,
}

/// Gives the leases of a pull back, whose outcome may be unknown; tries again until then while the store fails.
pub(crate) async fn give_back(
    store: &dyn ConsumerStore,
    clock: &dyn Clock,
    (key, nonce): (&ConsumerKey, LeaseNonce),
    until: Duration,
) {
    let mut backoff = RETRY;
    loop {
        match store.give_back(key, nonce).await {
            Err(ConsumerError::Store(error)) if error.is_transient() => {
                if clock.monotonic() >= until {
                    tracing::debug!(%error, topic = %key.topic, "could not give leases back");
                    return;
                }
                clock.sleep(backoff.next_wait()).await;
            }
            _ => return,
        }
    }
}

impl DeliveryGuard {
    pub(super) fn new(returns: &Arc<LeaseReturns>, key: &ConsumerKey, nonce: LeaseNonce) -> Self {
        Self {
            returns: Arc::clone(returns),
            key: key.clone(),
            nonce,
            armed: true,
        }
    }

    /// The worker has the messages: the leases stay.
    pub fn delivered(mut self) {
        self.disarm();
    }

    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }
}

impl fmt::Debug for DeliveryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeliveryGuard(armed: {})", self.armed)
    }
}

impl Drop for DeliveryGuard {
    fn drop(&mut self) {
        if self.armed {
            self.returns.push(self.key.clone(), self.nonce);
        }
    }
}

impl LeaseReturns {
    /// The next pull whose leases are to be given back; waits for it. The caller calls [`LeaseReturns::ended`] after
    /// that.
    pub(super) async fn next(&self) -> (ConsumerKey, LeaseNonce) {
        self.0
            .wait_for(|state| {
                let next = state.queue.pop_front()?;
                state.under_way = state.under_way.saturating_add(1);
                Some(next)
            })
            .await
    }

    /// The leases of one pull are given back, or end at their time.
    pub(super) fn ended(&self) {
        self.0
            .update(|state| state.under_way = state.under_way.saturating_sub(1));
    }

    /// Waits until no leases are to be given back.
    pub(super) async fn all_ended(&self) {
        self.0
            .wait_for(|state| (state.queue.is_empty() && state.under_way == 0).then_some(()))
            .await;
    }

    fn push(&self, key: ConsumerKey, nonce: LeaseNonce) {
        self.0.update(|state| {
            if state.queue.len() < MAX_RETURNS {
                state.queue.push_back((key, nonce));
            }
        });
    }
}
