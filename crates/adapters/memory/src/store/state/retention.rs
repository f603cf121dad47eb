//! Retention: by policy, and by the bounds of the store.

use posthorn_application::{RetentionPolicy, StoreError};
use posthorn_domain::{Timestamp, Topic};

use super::super::MemoryStoreSettings;
use super::super::weight::weight;
use super::State;

/// How many topics one step of pruning looks at.
const TOPICS_AT_ONCE: usize = 256;

/// What a step of pruning did.
pub(crate) struct PruneStep {
    pub(crate) removed: usize,
    /// Whether the budget ended it.
    pub(crate) more: bool,
    /// Where the next step goes on, after this topic; `None` at the end.
    pub(crate) next: Option<Topic>,
}

impl State {
    /// Removes at most `budget` messages from some topics after `from`.
    pub(crate) fn prune_some(
        &mut self,
        policy: &RetentionPolicy,
        now: Timestamp,
        from: Option<&Topic>,
        budget: usize,
    ) -> PruneStep {
        let oldest_kept = now.saturating_sub(policy.max_age);
        let max_count = usize::try_from(policy.max_count).unwrap_or(usize::MAX);
        let mut step = PruneStep {
            removed: 0,
            more: false,
            next: from.cloned(),
        };
        for _ in 0..TOPICS_AT_ONCE {
            let Some((topic, log)) = self.topics_after(step.next.as_ref()).next() else {
                step.next = None;
                return step;
            };
            let left = budget - step.removed;
            let too_old = log.count_before(oldest_kept, left.saturating_add(1));
            let excess = log.len().saturating_sub(max_count).max(too_old);
            let topic = topic.clone();
            step.more = excess > left;
            step.removed += self.prune_oldest(&topic, excess.min(left));
            step.next = Some(topic);
            if step.more {
                return step;
            }
        }
        step
    }

    /// Drops the oldest messages of all topics until one more of `weight` bytes fits.
    pub(super) fn make_room(&mut self, weight: usize) -> Result<(), StoreError> {
        let MemoryStoreSettings {
            max_messages,
            max_bytes,
            ..
        } = self.settings;
        if max_messages == 0 || weight > max_bytes {
            let text = format!("a message takes {weight} bytes of {max_bytes}");
            return Err(StoreError::Full(text));
        }
        while self.messages >= max_messages || self.bytes > max_bytes - weight {
            let Some((_, topic)) = self.oldest.first_key_value() else {
                break;
            };
            let topic = topic.clone();
            self.prune_oldest(&topic, 1);
        }
        Ok(())
    }

    /// Removes the `count` oldest messages of `topic` as retention does; says how many it were.
    fn prune_oldest(&mut self, topic: &Topic, count: usize) -> usize {
        let Some(log) = self.topics.get_mut(topic) else {
            return 0;
        };
        let first = log.first();
        let mut removed = 0;
        while removed < count
            && let Some(message) = log.prune_first()
        {
            removed += 1;
            self.bytes -= weight(&message.content, &message.attributes);
        }
        self.messages -= removed;
        self.first_changed(topic, first);
        removed
    }
}
