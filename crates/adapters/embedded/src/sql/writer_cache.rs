//! The state that the writer keeps between transactions.

use std::collections::HashMap;

use posthorn_domain::Topic;
use rusqlite::Connection;

use super::{IdColumns, TopicId};

/// The most topics in the cache.
const MAX_TOPICS: usize = 10_000;

/// The greatest id and the keys of topics, as of the last committed transaction.
#[derive(Debug, Default)]
pub(crate) struct WriterCache {
    last: IdColumns,
    /// True if the store has given an id since it was opened.
    has_started: bool,
    max_topics: u64,
    topics: HashMap<Topic, TopicId>,
}

/// The changes of a committed transaction.
pub(crate) struct CommittedState {
    pub(super) last: IdColumns,
    pub(super) topics: Vec<(Topic, TopicId)>,
    pub(super) has_pruned: bool,
}

impl WriterCache {
    /// The state in the file, without topics; at most `max_topics` may have a message or a
    /// consumer.
    pub(crate) fn load(connection: &Connection, max_topics: u64) -> rusqlite::Result<Self> {
        let counter = |name: &str| {
            let value = "SELECT value FROM counters WHERE name = ?1";
            connection.query_row(value, [name], |row| row.get(0))
        };
        Ok(Self {
            last: (counter("last_ms")?, counter("last_seq")?),
            has_started: false,
            max_topics,
            topics: HashMap::new(),
        })
    }

    /// The greatest id ever assigned.
    pub(super) fn last(&self) -> IdColumns {
        self.last
    }

    /// True if the store has given an id since it was opened.
    pub(super) fn has_started(&self) -> bool {
        self.has_started
    }

    /// The most topics with a message or a consumer.
    pub(super) fn max_topics(&self) -> u64 {
        self.max_topics
    }

    pub(super) fn topic_id(&self, topic: &Topic) -> Option<TopicId> {
        self.topics.get(topic).copied()
    }

    /// Applies the changes of a committed transaction.
    pub(crate) fn apply(&mut self, committed: CommittedState) {
        let CommittedState {
            last,
            topics,
            has_pruned,
        } = committed;
        self.has_started |= self.last != last;
        self.last = last;
        // Pruning deletes topics from the file, and their keys may be assigned again.
        if has_pruned {
            self.topics.clear();
            return;
        }
        if self.topics.len() + topics.len() > MAX_TOPICS {
            self.topics.clear();
        }
        self.topics.extend(topics);
    }
}
