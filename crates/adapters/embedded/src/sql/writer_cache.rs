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
    topics: HashMap<Topic, TopicId>,
}

/// The changes of a committed transaction.
pub(crate) struct CommittedState {
    pub(super) last: IdColumns,
    pub(super) topics: Vec<(Topic, TopicId)>,
    pub(super) has_pruned: bool,
}

impl WriterCache {
    /// The state in the file, without topics.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let counter = |name: &str| {
            let value = "SELECT value FROM counters WHERE name = ?1";
            connection.query_row(value, [name], |row| row.get(0))
        };
        Ok(Self {
            last: (counter("last_ms")?, counter("last_seq")?),
            topics: HashMap::new(),
        })
    }

    /// The greatest id ever assigned.
    pub(super) fn last(&self) -> IdColumns {
        self.last
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
