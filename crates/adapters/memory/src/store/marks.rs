//! How far retention went in topics that hold nothing any more.

use std::collections::BTreeMap;

use posthorn_domain::{MessageId, Topic};

/// How many empty topics are remembered.
const MAX_MARKS: usize = 10_000;

/// The greatest id that retention removed from each empty topic.
///
/// When there are too many, the lowest one is given up. From then on every topic that is not
/// remembered counts as pruned up to there: a reader may be told of a gap that was none, but never
/// misses one.
pub(super) struct Marks {
    by_topic: BTreeMap<Topic, MessageId>,
    /// The same the other way round; no two topics share an id.
    by_id: BTreeMap<MessageId, Topic>,
    /// The greatest mark that was given up.
    floor: MessageId,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            by_topic: BTreeMap::new(),
            by_id: BTreeMap::new(),
            floor: MessageId::MIN,
        }
    }
}

impl Marks {
    /// How far retention went in the empty topic `topic`.
    pub(super) fn get(&self, topic: &Topic) -> MessageId {
        self.by_topic.get(topic).copied().unwrap_or(self.floor)
    }

    /// As [`Marks::get`], for a topic that is no longer empty.
    pub(super) fn take(&mut self, topic: &Topic) -> MessageId {
        let Some(mark) = self.by_topic.remove(topic) else {
            return self.floor;
        };
        self.by_id.remove(&mark);
        mark
    }

    /// Remembers that retention removed messages up to `mark` from `topic`, which is empty now.
    pub(super) fn put(&mut self, topic: Topic, mark: MessageId) {
        if mark <= self.floor {
            return;
        }
        self.by_id.insert(mark, topic.clone());
        self.by_topic.insert(topic, mark);
        if self.by_id.len() > MAX_MARKS
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
    fn the_lowest_mark_becomes_the_floor_when_there_are_too_many() {
        let topic = |number: usize| Topic::parse(&format!("t{number}")).unwrap();
        let id = |number| MessageId::new(Timestamp::from_millis(1), number);
        let mut marks = Marks::default();
        for (number, mark) in (0..MAX_MARKS).zip(1..) {
            marks.put(topic(number), id(mark));
        }
        assert_eq!(marks.get(&topic(0)), id(1));
        assert_eq!(marks.get(&topic(MAX_MARKS)), MessageId::MIN);
        marks.put(topic(MAX_MARKS), id(20_000));
        assert_eq!(marks.by_topic.len(), MAX_MARKS);
        assert_eq!(
            marks.get(&topic(0)),
            id(1),
            "given up, and the floor is there"
        );
        assert_eq!(marks.get(&topic(99_999)), id(1));
        assert_eq!(marks.take(&topic(1)), id(2));
        assert_eq!(marks.get(&topic(1)), id(1));
        assert_eq!(marks.by_id.len(), marks.by_topic.len());
    }
}
