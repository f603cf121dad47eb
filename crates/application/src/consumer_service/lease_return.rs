//! Giving leases back that their worker did not get.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use posthorn_domain::{Backoff, ConsumerKey, LeaseNonce};

use crate::ports::clock::Clock;
use crate::ports::consumer_store::{ConsumerError, ConsumerStore};

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
pub(super) struct LeaseReturns {
    state: Mutex<LeaseReturnsState>,
    added: Event,
    ended: Event,
}

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
    /// The next pull whose leases are to be given back; waits for it. The caller calls [`LeaseReturns::ended`] after that.
    pub(super) async fn next(&self) -> (ConsumerKey, LeaseNonce) {
        let take = |state: &mut LeaseReturnsState| {
            let next = state.queue.pop_front()?;
            state.under_way = state.under_way.saturating_add(1);
            Some(next)
        };
        self.wait(&self.added, take).await
    }

    /// The leases of one pull are given back, or end at their time.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.ended.notify(usize::MAX);
    }

    /// Waits until no leases are to be given back.
    pub(super) async fn all_ended(&self) {
        let has_ended =
            |state: &mut LeaseReturnsState| state.queue.is_empty() && state.under_way == 0;
        let look = |state: &mut LeaseReturnsState| has_ended(state).then_some(());
        self.wait(&self.ended, look).await;
    }

    async fn wait<T>(
        &self,
        event: &Event,
        mut look: impl FnMut(&mut LeaseReturnsState) -> Option<T>,
    ) -> T {
        loop {
            // Listen before the look: a change after the look wakes the listener.
            let listener = event.listen();
            let found = look(&mut self.lock());
            if let Some(found) = found {
                return found;
            }
            listener.await;
        }
    }

    fn push(&self, key: ConsumerKey, nonce: LeaseNonce) {
        let mut state = self.lock();
        if state.queue.len() < MAX_RETURNS {
            state.queue.push_back((key, nonce));
            drop(state);
            self.added.notify(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LeaseReturnsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
