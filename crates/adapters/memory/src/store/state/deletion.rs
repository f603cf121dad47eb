//! Deletion by clients, of one message or of the oldest ones.

use posthorn_application::BulkDeletion;
use posthorn_domain::{MessageId, Timestamp, Topic};

use super::StoreState;
use crate::store::consumers::MessageRemoval;
use crate::weight::weight;

impl StoreState {
    /// Removes a message; returns true if it was there.
    pub(crate) fn delete(&mut self, topic: &Topic, id: MessageId, now: Timestamp) -> bool {
        let Some(log) = self.topics.get(topic) else {
            return false;
        };
        let first = log.first();
        // A lease that expired before the deletion ends first, while its message is there.
        self.consumers.expire(topic, log, now);
        let is_removed = self.remove(topic, id);
        self.update_order(topic, first);
        is_removed
    }

    /// Removes the oldest messages before `before`, at most `limit`.
    pub(crate) fn delete_before(
        &mut self,
        topic: &Topic,
        before: MessageId,
        limit: usize,
        now: Timestamp,
    ) -> BulkDeletion {
        let Some(log) = self.topics.get(topic) else {
            return BulkDeletion::default();
        };
        let first = log.first();
        let older = log.older_than(before);
        let mut removed: Vec<_> = older.take(limit.saturating_add(1)).collect();
        let more = removed.len() > limit;
        removed.truncate(limit);
        self.consumers.expire(topic, log, now);
        for id in &removed {
            self.remove(topic, *id);
        }
        self.update_order(topic, first);
        BulkDeletion {
            deleted: removed.len(),
            more,
        }
    }

    /// Removes a message, and ends its waiting at the consumers. The order of topics has to be updated then.
    fn remove(&mut self, topic: &Topic, id: MessageId) -> bool {
        let log = self.topics.get_mut(topic);
        let Some(message) = log.and_then(|log| log.remove(id)) else {
            return false;
        };
        self.consumers
            .message_removed(topic, id, MessageRemoval::Deleted);
        self.bytes -= weight(message.parts());
        true
    }
}
