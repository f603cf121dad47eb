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
    /// The most bytes of messages that an empty store may hold; fewer fit, as each has a row.
    max_bytes: u64,
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
            max_bytes: max_bytes(connection)?,
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

    /// The most bytes of messages that an empty store may hold.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
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

/// The bytes of the pages that the file may have, without the first page of each table and index.
fn max_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let roots = "SELECT count(*) FROM sqlite_schema WHERE rootpage > 0";
    let roots: i64 = connection.query_row(roots, [], |row| row.get(0))?;
    let pages = pragma("max_page_count")?.saturating_sub(roots);
    let bytes = pages.saturating_mul(pragma("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or_default())
}
