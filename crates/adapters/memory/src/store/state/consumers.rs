//! Consumers beside the messages of their topics.

use posthorn_domain::{MessageId, Timestamp, Topic};

use super::StoreState;
use crate::store::consumers::{Consumers, StoreView};
use crate::store::topic_log::TopicLog;

impl StoreState {
    /// Runs `operation` on the consumers, at `now`, beside the messages of `topic`.
    pub(crate) fn with_consumers<T>(
        &mut self,
        topic: &Topic,
        now: Timestamp,
        operation: impl FnOnce(&mut Consumers, StoreView<'_>) -> T,
    ) -> T {
        let empty = TopicLog::new(MessageId::MIN);
        let at = StoreView {
            topics: &self.topics,
            log: self.topics.get(topic).unwrap_or(&empty),
            now,
            newest: self.last,
        };
        operation(&mut self.consumers, at)
    }

    /// False while consumers have as many entries as the settings allow.
    pub(crate) fn has_free_entries(&self) -> bool {
        self.consumers.has_free_entries()
    }

    /// The topics after `after` that have a consumer.
    pub(crate) fn topics_with_consumers(&self, after: Option<&Topic>, limit: usize) -> Vec<Topic> {
        self.consumers.topics(after, limit)
    }
}
