//! Disabling a webhook whose receiver is gone or fails for too long.

use std::time::Duration;

use posthorn_domain::{Backoff, ConsumerKey, DisableReason, WebhookUrl};

use crate::ports::consumer_store::ConsumerError;
use crate::ports::webhook_store::WebhookIncarnation;
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

/// Disables the webhook; returns false if it cannot be done, or if its URL is no longer `attempted`,
/// where the reason comes from an attempt.
pub(super) async fn disable(
    ports: &WebhookDispatcherPorts,
    webhook: (&ConsumerKey, WebhookIncarnation),
    reason: DisableReason,
    attempted: Option<&WebhookUrl>,
) -> bool {
    let clock = &ports.clock;
    let end = clock.monotonic().saturating_add(RETRY_TIME);
    let mut backoff = RETRY;
    loop {
        match try_disable(ports, webhook, reason, attempted).await {
            Ok(is_disabled) => return is_disabled,
            Err(ConsumerError::Store(error)) if error.is_transient() => {}
            Err(_) => return false,
        }
        if clock.monotonic() >= end {
            return false;
        }
        clock.sleep(backoff.next_wait()).await;
    }
}

async fn try_disable(
    ports: &WebhookDispatcherPorts,
    webhook: (&ConsumerKey, WebhookIncarnation),
    reason: DisableReason,
    attempted: Option<&WebhookUrl>,
) -> Result<bool, ConsumerError> {
    let (webhooks, (key, incarnation)) = (&ports.webhooks, webhook);
    // From the store: this worker may not know the new URL yet. A receiver that was left says nothing
    // about the one that replaced it.
    if let Some(attempted) = attempted
        && webhooks.webhook(key).await?.record.settings.url != *attempted
    {
        return Ok(false);
    }
    let of = Some(incarnation);
    webhooks.set_disabled(key, Some(reason), of).await?;
    Ok(true)
}
