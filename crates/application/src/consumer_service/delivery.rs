//! Leases on their way to a worker, and back when the worker is gone.

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
    returns: Arc<Returns>,
    key: ConsumerKey,
    nonce: LeaseNonce,
    armed: bool,
}

/// The pulls whose leases are to be given back.
#[derive(Default)]
pub(super) struct Returns {
    queue: Mutex<VecDeque<(ConsumerKey, LeaseNonce)>>,
    event: Event,
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
    pub(super) fn new(returns: &Arc<Returns>, key: &ConsumerKey, nonce: LeaseNonce) -> Self {
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

impl Returns {
    /// The next pull whose leases are to be given back; waits for it.
    pub(super) async fn next(&self) -> (ConsumerKey, LeaseNonce) {
        loop {
            // Listen before the look: a push after the look wakes the listener.
            let listener = self.event.listen();
            if let Some(next) = self.lock().pop_front() {
                return next;
            }
            listener.await;
        }
    }

    fn push(&self, key: ConsumerKey, nonce: LeaseNonce) {
        let mut queue = self.lock();
        if queue.len() < MAX_RETURNS {
            queue.push_back((key, nonce));
            drop(queue);
            self.event.notify(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(ConsumerKey, LeaseNonce)>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
