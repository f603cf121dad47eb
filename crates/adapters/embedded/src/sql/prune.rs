//! Retention, in steps of bounded work.

use std::time::Duration;

use posthorn_application::{Pruned, RetentionPolicy, TimeBounds};
use posthorn_domain::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::consumers::removals;
use super::{
    IdColumns, TopicId, idempotency_keys, is_exhausted, millis, read, revocations, seen_time,
};

/// The most topics of one step.
const TOPICS_PER_STEP: i64 = 256;
/// The most empty topics that keep a row and so a watermark of their own.
const MAX_EMPTY_TOPICS: i64 = 10_000;
/// The most freed pages that one step returns to the file system.
const PAGES_PER_STEP: i64 = 256;

/// The newest message to prune: by count or by age, whichever is later. It reads only messages that
/// will be pruned, so that a topic without them costs nothing. The last part finds messages that were
/// stored before the times in their ids.
const LAST_TO_PRUNE: &str = "\
    SELECT ms, seq FROM (SELECT ms, seq FROM messages \
        WHERE topic_id = ?1 ORDER BY ms, seq LIMIT ?3) \
    UNION ALL SELECT ms, seq FROM (SELECT ms, seq FROM messages \
        WHERE topic_id = ?1 AND ms < ?4 ORDER BY ms, seq LIMIT ?2) \
    UNION ALL SELECT ms, seq FROM (SELECT ms, seq FROM messages \
        WHERE topic_id = ?1 AND (ms, seq) <= (SELECT ms, seq FROM messages \
            WHERE topic_id = ?1 AND stored_ms < ?4 \
            ORDER BY stored_ms DESC, ms DESC, seq DESC LIMIT 1) \
        ORDER BY ms, seq LIMIT ?2) \
    ORDER BY ms DESC, seq DESC LIMIT 1";

/// The next step starts after this topic.
#[derive(Debug, Default)]
pub(crate) struct PruneCursor(TopicId);

/// The times of one command.
pub(crate) struct BatchTimes {
    /// The time of the clock.
    pub(crate) now: Timestamp,
    /// The trusted time.
    pub(crate) trusted: Timestamp,
    /// The longest TTL of a key that this process has stored; `None` if it has stored none.
    pub(crate) key_ttl: Option<Duration>,
}

impl BatchTimes {
    /// Records expire by the earliest time, and are dated by the latest.
    pub(crate) fn bounds(&self) -> TimeBounds {
        TimeBounds::new(self.now, self.trusted)
    }
}

/// The policy as columns.
struct Limits {
    /// Messages before this time are pruned.
    oldest: i64,
    count: i64,
}

/// One step over some topics, inside the writer's transaction.
pub(crate) fn prune(
    connection: &Connection,
    policy: &RetentionPolicy,
    budget: usize,
    times: &BatchTimes,
    cursor: &mut PruneCursor,
) -> rusqlite::Result<Pruned> {
    seen_time::save_if_moved(connection, times.trusted)?;
    let TimeBounds {
        earliest: expired,
        latest,
        wall,
    } = times.bounds();
    let limits = Limits {
        oldest: millis(expired.saturating_sub(policy.max_age)),
        count: i64::try_from(policy.max_count).unwrap_or(i64::MAX),
    };
    let budget = i64::try_from(budget.max(1)).unwrap_or(i64::MAX);
    // Keys first: an empty topic with a key cannot be deleted.
    let mut more = idempotency_keys::delete_expired(connection, expired, budget)?;
    if let Some(ttl) = times.key_ttl {
        let end = latest.saturating_add(ttl);
        more |= idempotency_keys::limit_expiry(connection, end, budget)?;
    }
    more |= revocations::delete_expired(connection, expired, budget)?;
    more |= delete_empty_topics(connection)?;
    let select = "SELECT topic_id, message_count FROM topics \
                  WHERE topic_id > ?1 AND message_count > 0 ORDER BY topic_id LIMIT ?2";
    let topics = connection
        .prepare_cached(select)?
        .query_map((cursor.0, TOPICS_PER_STEP), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<(TopicId, i64)>>>()?;
    let is_last = !is_exhausted(topics.len(), TOPICS_PER_STEP);
    let mut removed = 0;
    for (topic_id, count) in topics {
        let left = budget - removed;
        let pruned = prune_topic(connection, topic_id, count, &limits, (left, wall))?;
        removed += pruned;
        if pruned == left {
            // The cursor stays before this topic: it may have more to prune.
            return Ok(outcome(removed, true));
        }
        cursor.0 = topic_id;
    }
    if is_last {
        cursor.0 = 0;
    }
    free_pages(connection)?;
    Ok(outcome(removed, more || !is_last))
}

fn outcome(removed: i64, more: bool) -> Pruned {
    Pruned {
        removed: u64::try_from(removed).unwrap_or(0),
        more,
        ..Pruned::default()
    }
}

/// Removes at most `budget` of a topic's messages, oldest first, and stores the watermark.
fn prune_topic(
    connection: &Connection,
    topic_id: TopicId,
    count: i64,
    limits: &Limits,
    (budget, now): (i64, Timestamp),
) -> rusqlite::Result<i64> {
    let excess = (count - limits.count).clamp(0, budget);
    let last = connection
        .prepare_cached(LAST_TO_PRUNE)?
        .query_row((topic_id, budget, excess, limits.oldest), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .optional()?;
    let Some((ms, seq)) = last else { return Ok(0) };
    // Expired leases end first: their messages may become dead letters, which are not missed.
    removals::expire_all(connection, topic_id, now)?;
    let delete = "DELETE FROM messages WHERE topic_id = ?1 AND (ms, seq) <= (?2, ?3)";
    let removed = connection
        .prepare_cached(delete)?
        .execute((topic_id, ms, seq))?;
    let removed = i64::try_from(removed).unwrap_or(i64::MAX);
    let update = "UPDATE topics SET message_count = message_count - ?2, pruned_ms = ?3, \
                  pruned_seq = ?4 WHERE topic_id = ?1";
    connection
        .prepare_cached(update)?
        .execute((topic_id, removed, ms, seq))?;
    removals::pruned(connection, topic_id, (ms, seq), removed)?;
    Ok(removed)
}

/// Returns some freed pages to the file system.
fn free_pages(connection: &Connection) -> rusqlite::Result<()> {
    let vacuum = format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})");
    let mut vacuum = connection.prepare_cached(&vacuum)?;
    let mut rows = vacuum.query([])?;
    // Each row frees one page.
    while rows.next()?.is_some() {}
    Ok(())
}

/// Deletes empty topics without a key or a consumer beyond the newest [`MAX_EMPTY_TOPICS`]; returns true if there
/// may be more.
///
/// The greatest of their watermarks becomes that of every topic without a row: a reader may get
/// a gap that was none, but never misses one.
fn delete_empty_topics(connection: &Connection) -> rusqlite::Result<bool> {
    let select = "SELECT topic_id, pruned_ms, pruned_seq FROM topics WHERE message_count = 0 \
                  AND NOT EXISTS (SELECT 1 FROM idempotency_keys k WHERE k.topic_id = topics.topic_id) \
                  AND NOT EXISTS (SELECT 1 FROM consumers c WHERE c.topic_id = topics.topic_id) \
                  ORDER BY last_ms DESC LIMIT ?1 OFFSET ?2";
    let topics = connection
        .prepare_cached(select)?
        .query_map((TOPICS_PER_STEP, MAX_EMPTY_TOPICS), |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?
        .collect::<rusqlite::Result<Vec<(TopicId, IdColumns)>>>()?;
    let Some(newest) = topics.iter().map(|(_, pruned)| *pruned).max() else {
        return Ok(false);
    };
    let delete = "DELETE FROM topics WHERE topic_id = ?1";
    for (topic_id, _) in &topics {
        connection.prepare_cached(delete)?.execute([topic_id])?;
    }
    let newest = newest.max(read::forgotten_watermark(connection)?);
    let update = "UPDATE counters SET value = ?2 WHERE name = ?1";
    let mut update = connection.prepare_cached(update)?;
    update.execute(("forgotten_ms", newest.0))?;
    update.execute(("forgotten_seq", newest.1))?;
    Ok(is_exhausted(topics.len(), TOPICS_PER_STEP))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_topic_without_messages_to_prune_is_hardly_read() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::create(&mut connection).unwrap();
        let filled = "INSERT INTO topics (topic_id, name, message_count) VALUES (1, 'a', 2000); \
            WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL \
            SELECT n + 1 FROM numbers WHERE n < 2000) \
            INSERT INTO messages SELECT 1, 1000 + n, n, 'text', NULL, NULL, NULL, NULL FROM numbers";
        connection.execute_batch(filled).unwrap();
        let steps = |max_age, max_count| {
            let policy = RetentionPolicy {
                max_age: Duration::from_millis(max_age),
                max_count,
            };
            let now = Timestamp::from_millis(3001);
            let times = BatchTimes {
                now,
                trusted: now,
                key_ttl: None,
            };
            let mut cursor = PruneCursor::default();
            let pruned = prune(&connection, &policy, 2000, &times, &mut cursor).unwrap();
            let statement = connection.prepare_cached(LAST_TO_PRUNE).unwrap();
            let steps = statement.reset_status(StatementStatus::VmStep);
            (pruned.removed, steps)
        };
        let (removed, steps_for_none) = steps(10_000, 2000);
        assert_eq!(removed, 0);
        assert!(steps_for_none < 100, "{steps_for_none} steps");
        let (removed, steps_for_some) = steps(10_000, 1990);
        assert_eq!(removed, 10);
        assert!(steps_for_some < 500, "{steps_for_some} steps");
        // By age a few more than by count, and the reverse.
        assert_eq!(steps(1980, 1985).0, 10);
        assert_eq!(steps(1980, 1970).0, 10);
    }
}
