//! One look at the webhooks of all topics.

use std::collections::HashSet;

use posthorn_domain::Topic;

use super::ports::WebhookDispatcherPorts;
use crate::ports::message_store::{PageLimit, StoreError};
use crate::ports::webhook_store::WebhookStatus;

/// All webhooks, but for those of topics that cannot be read.
#[derive(Default)]
pub(super) struct AllWebhooks {
    pub(super) webhooks: Vec<WebhookStatus>,
    pub(super) damaged: HashSet<Topic>,
}

impl AllWebhooks {
    /// Reads those of the topics in the index of the store, and of the `known` ones: the index may have lost one, which
    /// would end its webhooks. A damaged topic hides only its own.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn read(
        ports: &WebhookDispatcherPorts,
        mut known: HashSet<Topic>,
    ) -> Result<Self, StoreError> {
        let mut all = Self::default();
        let mut after = None;
        loop {
            let topics = ports
                .consumers
                .topics_with_consumers(after.as_ref(), PageLimit::MAX);
            let topics = topics.await?;
            for topic in &topics {
                known.remove(topic);
                all.add_topic(ports, topic).await?;
            }
            match topics.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        for topic in &known {
            all.add_topic(ports, topic).await?;
        }
        Ok(all)
    }

    async fn add_topic(
        &mut self,
        ports: &WebhookDispatcherPorts,
        topic: &Topic,
    ) -> Result<(), StoreError> {
        match ports.webhooks.webhooks(topic).await {
            Ok(of_topic) => self.webhooks.extend(of_topic),
            Err(StoreError::Corrupt(_)) => drop(self.damaged.insert(topic.clone())),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
