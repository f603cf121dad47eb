//! The prune watermarks of topics without messages.

use std::collections::BTreeMap;

use posthorn_domain::{MessageId, Topic};

/// The most empty topics with a watermark.
const MAX_WATERMARKS: usize = 10_000;

/// The greatest id that retention removed from each empty topic.
///
/// When there are too many, the lowest watermark is removed and becomes the floor: every topic
/// without a watermark counts as pruned up to the floor. A reader may get a gap that was none, but
/// never misses one.
pub(super) struct PruneWatermarks {
    by_topic: BTreeMap<Topic, MessageId>,
    /// The reverse map; no two topics share an id.
    by_id: BTreeMap<MessageId, Topic>,
    floor: MessageId,
}

impl Default for PruneWatermarks {
    fn default() -> Self {
        Self {
            by_topic: BTreeMap::new(),
            by_id: BTreeMap::new(),
            floor: MessageId::MIN,
        }
    }
}

impl PruneWatermarks {
    /// The watermark of the empty topic `topic`.
    pub(super) fn get(&self, topic: &Topic) -> MessageId {
        self.by_topic.get(topic).copied().unwrap_or(self.floor)
    }

    /// Removes and returns the watermark of `topic`, which has a message again.
    pub(super) fn take(&mut self, topic: &Topic) -> MessageId {
        let Some(watermark) = self.by_topic.remove(topic) else {
            return self.floor;
        };
        self.by_id.remove(&watermark);
        watermark
    }

    /// Stores the watermark of `topic`, which is empty now.
    pub(super) fn insert(&mut self, topic: Topic, watermark: MessageId) {
        if watermark <= self.floor {
            return;
        }
        self.by_id.insert(watermark, topic.clone());
        self.by_topic.insert(topic, watermark);
        if self.by_id.len() > MAX_WATERMARKS
            && let Some((lowest, topic)) = self.by_id.pop_first()
        {
            self.by_topic.remove(&topic);
            self.floor = lowest;
        }
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::Timestamp;

    use super::*;

    #[test]
    fn the_lowest_watermark_becomes_the_floor_when_there_are_too_many() {
        let topic = |number: usize| Topic::parse(&format!("t{number}")).unwrap();
        let id = |number| MessageId::new(Timestamp::from_millis(1), number);
        let mut watermarks = PruneWatermarks::default();
        for (number, watermark) in (0..MAX_WATERMARKS).zip(1..) {
            watermarks.insert(topic(number), id(watermark));
        }
        assert_eq!(watermarks.get(&topic(0)), id(1));
        assert_eq!(watermarks.get(&topic(MAX_WATERMARKS)), MessageId::MIN);
        watermarks.insert(topic(MAX_WATERMARKS), id(20_000));
        assert_eq!(watermarks.by_topic.len(), MAX_WATERMARKS);
        assert_eq!(
            watermarks.get(&topic(0)),
            id(1),
            "removed, and the floor is there"
        );
        assert_eq!(watermarks.get(&topic(99_999)), id(1));
        assert_eq!(watermarks.take(&topic(1)), id(2));
        assert_eq!(watermarks.get(&topic(1)), id(1));
        assert_eq!(watermarks.by_id.len(), watermarks.by_topic.len());
    }
}
