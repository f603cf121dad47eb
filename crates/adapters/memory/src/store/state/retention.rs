//! Retention: by policy, and by the bounds of the store.

use posthorn_application::{AppendError, RetentionPolicy, TimeBounds};
use posthorn_domain::{Timestamp, Topic};

use super::StoreState;
use crate::store::consumers::MessageRemoval;
use crate::weight::weight;

/// The most topics of one step of pruning.
const TOPICS_PER_STEP: usize = 256;

/// The outcome of one step of pruning.
pub(crate) struct PruneStep {
    pub(crate) removed: usize,
    /// True if the budget ended the step.
    pub(crate) more: bool,
    /// The next step starts after this topic; `None` at the end.
    pub(crate) next: Option<Topic>,
}

impl StoreState {
    /// Removes at most `budget` messages from some topics after `after`.
    pub(crate) fn prune_step(
        &mut self,
        policy: &RetentionPolicy,
        now: TimeBounds,
        after: Option<&Topic>,
        budget: usize,
    ) -> PruneStep {
        let oldest_kept = now.earliest.saturating_sub(policy.max_age);
        let max_count = usize::try_from(policy.max_count).unwrap_or(usize::MAX);
        let mut step = PruneStep {
            removed: 0,
            more: false,
            next: after.cloned(),
        };
        for _ in 0..TOPICS_PER_STEP {
            let Some((topic, log)) = self.topics_after(step.next.as_ref()).next() else {
                step.next = None;
                return step;
            };
            let left = budget - step.removed;
            let too_old = log.count_before(oldest_kept, left.saturating_add(1));
            let excess = log.len().saturating_sub(max_count).max(too_old);
            let topic = topic.clone();
            step.more = excess > left;
            step.removed += self.prune_oldest(&topic, excess.min(left), now.wall);
            step.next = Some(topic);
            if step.more {
                return step;
            }
        }
        step
    }

    /// Removes the oldest messages of all topics until `weight` more bytes fit.
    pub(super) fn evict_for(&mut self, weight: usize, now: Timestamp) -> Result<(), AppendError> {
        let max_bytes = self.settings.max_bytes;
        if weight > max_bytes {
            return Err(AppendError::TooLarge);
        }
        while self.bytes > max_bytes - weight {
            let Some((_, topic)) = self.oldest.first_key_value() else {
                break;
            };
            let topic = topic.clone();
            self.prune_oldest(&topic, 1, now);
            self.evicted = self.evicted.saturating_add(1);
            if !std::mem::replace(&mut self.has_evicted, true) {
                tracing::warn!(
                    max_bytes,
                    "the store in memory is full: it removes the oldest messages for new ones"
                );
            }
        }
        Ok(())
    }

    /// Removes the `count` oldest messages of `topic` as retention does; returns how many.
    fn prune_oldest(&mut self, topic: &Topic, count: usize, now: Timestamp) -> usize {
        let Some(log) = self.topics.get_mut(topic) else {
            return 0;
        };
        let first = log.first();
        if count > 0 {
            // A lease that expired before ends first, while its message is there.
            self.consumers.expire(topic, log, now);
        }
        let mut removed = 0;
        while removed < count
            && let Some(message) = log.prune_first()
        {
            removed += 1;
            self.bytes -= weight(message.parts());
            let (id, removal) = (message.id, MessageRemoval::Pruned);
            self.consumers.message_removed(topic, id, removal);
        }
        self.update_order(topic, first);
        removed
    }
}
