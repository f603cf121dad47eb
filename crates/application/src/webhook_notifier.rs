//! The wake-ups of subscriptions to the set of webhooks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::message_store::Subscription;
use crate::wake_channel::WakeChannel;

/// Wakes the subscriptions to the set of webhooks of all topics. Stores use it to implement
/// `WebhookStore::watch_webhooks`. It needs no async runtime.
#[derive(Debug, Default)]
pub struct WebhookNotifier {
    channel: Arc<WakeChannel>,
}

/// A subscription to the set of webhooks. However many changes happen between two calls of
/// `changed`, it returns once.
#[derive(Debug)]
pub struct WebhookSubscription {
    channel: Arc<WakeChannel>,
    /// The number of changes at the last return of `changed`.
    seen: u64,
}

impl WebhookNotifier {
    /// Watches the webhooks from now on.
    pub fn subscribe(&self) -> WebhookSubscription {
        WebhookSubscription {
            seen: self.channel.changes(),
            channel: Arc::clone(&self.channel),
        }
    }

    /// Wakes all subscriptions: a webhook was created, changed, enabled, disabled or deleted.
    pub fn notify(&self) {
        self.channel.notify();
    }

    /// Wakes all subscriptions for good: their `changed` never waits again.
    pub fn close(&self) {
        self.channel.close();
    }
}

#[async_trait]
impl Subscription for WebhookSubscription {
    async fn changed(&mut self) {
        self.channel.changed(&mut self.seen).await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    /// True if `changed` returns at once.
    fn has_changed(subscription: &mut WebhookSubscription) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut changed = subscription.changed();
        changed.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn a_subscription_is_woken_once_for_any_number_of_changes() {
        let notifier = WebhookNotifier::default();
        notifier.notify();
        let mut first = notifier.subscribe();
        assert!(!has_changed(&mut first));
        notifier.notify();
        notifier.notify();
        let mut second = notifier.subscribe();
        assert!(has_changed(&mut first));
        assert!(!has_changed(&mut first) && !has_changed(&mut second));
        notifier.close();
        assert!(has_changed(&mut first) && has_changed(&mut first) && has_changed(&mut second));
    }
}
