//! Disabling a webhook whose receiver is gone or fails for too long.

use std::time::Duration;

use posthorn_domain::{Backoff, ConsumerKey, DisableReason};

use crate::ports::consumer_store::ConsumerError;
use crate::ports::webhook_store::WebhookTarget;
use crate::webhook_dispatcher::ports::WebhookDispatcherPorts;
use crate::webhook_dispatcher::settlement::Settlement;

/// How long disabling is repeated while the store fails: less than a lease holds after its attempt.
const RETRY_TIME: Duration = Duration::from_secs(3);
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// The state of disabling, and the leases that wait for it.
#[derive(Default)]
pub(super) struct Disabling {
    is_under_way: bool,
    held: Vec<Settlement>,
}

impl Disabling {
    pub(super) const fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Holds a lease until the end: released before, its message would be attempted again.
    pub(super) fn hold(&mut self, settlement: Settlement) {
        self.held.push(settlement);
    }

    /// Returns false if it is under way already.
    pub(super) const fn start(&mut self) -> bool {
        !std::mem::replace(&mut self.is_under_way, true)
    }

    /// Ends it and returns the leases.
    pub(super) fn end(&mut self) -> Vec<Settlement> {
        self.is_under_way = false;
        std::mem::take(&mut self.held)
    }
}

/// Disables the webhook `of`; returns false if it cannot be done, or if it is another one by now: a receiver that was
/// left says nothing about the one that replaced it.
pub(super) async fn disable(
    ports: &WebhookDispatcherPorts,
    key: &ConsumerKey,
    reason: DisableReason,
    of: &WebhookTarget,
) -> bool {
    let clock = &ports.clock;
    let end = clock.monotonic().saturating_add(RETRY_TIME);
    let mut backoff = RETRY;
    loop {
        let disabling = ports.webhooks.set_disabled(key, Some(reason), Some(of));
        match disabling.await {
            Ok(_) => return true,
            Err(ConsumerError::Store(error)) if error.is_transient() => {}
            Err(_) => return false,
        }
        if clock.monotonic() >= end {
            return false;
        }
        clock.sleep(backoff.next_wait()).await;
    }
}
