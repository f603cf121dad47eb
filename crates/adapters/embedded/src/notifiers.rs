//! The notifiers of the store.

use std::sync::Arc;

use posthorn_application::{ConsumerNotifier, TopicNotifier, WebhookNotifier};

/// The notifiers of the store, which the writer wakes after a commit.
#[derive(Clone, Default)]
pub(crate) struct Notifiers {
    pub(crate) topics: Arc<TopicNotifier>,
    pub(crate) consumers: Arc<ConsumerNotifier>,
    pub(crate) webhooks: Arc<WebhookNotifier>,
}

impl Notifiers {
    /// Wakes all watchers for good.
    pub(crate) fn close(&self) {
        self.topics.close();
        self.consumers.close();
        self.webhooks.close();
    }
}
