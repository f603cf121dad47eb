//! Removing what retention no longer keeps, in steps of bounded work.

use posthorn_application::{Pruned, RetentionPolicy};
use posthorn_domain::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::{TopicId, consumers, read, revocations};

/// How many topics one step looks at.
const TOPICS_PER_STEP: i64 = 256;
/// How many empty topics are remembered one by one.
const EMPTY_TOPICS: i64 = 10_000;
/// How many freed pages one step gives back to the system.
const PAGES_PER_STEP: i64 = 256;

/// The newest message to go: by number, or by age, whichever is later. It reads those that go and no
/// others, so that a topic of which nothing goes costs nothing.
const LAST_TO_GO: &str = "\
    SELECT ms, seq FROM (SELECT ms, seq FROM messages \
        WHERE topic_id = ?1 ORDER BY ms, seq LIMIT ?3) \
    UNION ALL SELECT ms, seq FROM (SELECT ms, seq FROM messages \
        WHERE topic_id = ?1 AND ms < ?4 ORDER BY ms, seq LIMIT ?2) \
    ORDER BY ms DESC, seq DESC LIMIT 1";

/// Where the next step goes on: after this topic.
#[derive(Debug, Default)]
pub(crate) struct Place(TopicId);

/// What one topic may keep.
struct Limits {
    /// Messages before this moment go.
    oldest: i64,
    count: i64,
}

/// One step over some topics, inside the writer's transaction.
pub(crate) fn prune(
    connection: &Connection,
    policy: &RetentionPolicy,
    budget: usize,
    now: Timestamp,
    place: &mut Place,
) -> rusqlite::Result<Pruned> {
    let limits = Limits {
        oldest: i64::try_from(now.saturating_sub(policy.max_age).as_millis()).unwrap_or(i64::MAX),
        count: i64::try_from(policy.max_count).unwrap_or(i64::MAX),
    };
    let budget = i64::try_from(budget.max(1)).unwrap_or(i64::MAX);
    let mut more = forget_keys(connection, now, budget)?;
    more |= revocations::forget(connection, now, budget)?;
    more |= forget_topics(connection)?;
    let select = "SELECT topic_id, message_count FROM topics \
                  WHERE topic_id > ?1 AND message_count > 0 ORDER BY topic_id LIMIT ?2";
    let topics = connection
        .prepare_cached(select)?
        .query_map((place.0, TOPICS_PER_STEP), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<(TopicId, i64)>>>()?;
    let is_last = i64::try_from(topics.len()).unwrap_or(i64::MAX) < TOPICS_PER_STEP;
    let mut removed = 0;
    for (topic_id, count) in topics {
        let left = budget - removed;
        let went = prune_topic(connection, topic_id, count, &limits, (left, now))?;
        removed += went;
        if went == left {
            // The same topic comes first in the next step.
            return Ok(pruned(removed, true));
        }
        place.0 = topic_id;
    }
    if is_last {
        place.0 = 0;
    }
    give_back(connection)?;
    Ok(pruned(removed, more || !is_last))
}

fn pruned(removed: i64, more: bool) -> Pruned {
    Pruned {
        removed: u64::try_from(removed).unwrap_or(0),
        more,
    }
}

/// Removes at most `budget` of a topic's messages, oldest first, and notes how far it went.
fn prune_topic(
    connection: &Connection,
    topic_id: TopicId,
    count: i64,
    limits: &Limits,
    (budget, now): (i64, Timestamp),
) -> rusqlite::Result<i64> {
    let excess = (count - limits.count).clamp(0, budget);
    let last = connection
        .prepare_cached(LAST_TO_GO)?
        .query_row((topic_id, budget, excess, limits.oldest), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .optional()?;
    let Some((ms, seq)) = last else { return Ok(0) };
    // Leases that are over end first: their messages may die, and the dead are not missed.
    consumers::expire_all(connection, topic_id, now)?;
    let delete = "DELETE FROM messages WHERE topic_id = ?1 AND (ms, seq) <= (?2, ?3)";
    let went = connection
        .prepare_cached(delete)?
        .execute((topic_id, ms, seq))?;
    let went = i64::try_from(went).unwrap_or(i64::MAX);
    let note = "UPDATE topics SET message_count = message_count - ?2, pruned_ms = ?3, \
                pruned_seq = ?4 WHERE topic_id = ?1";
    connection
        .prepare_cached(note)?
        .execute((topic_id, went, ms, seq))?;
    consumers::pruned(connection, topic_id, (ms, seq), went)?;
    Ok(went)
}

/// Gives some freed pages back to the system.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let vacuum = format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})");
    let mut vacuum = connection.prepare_cached(&vacuum)?;
    let mut rows = vacuum.query([])?;
    // Each row that it answers with is one page.
    while rows.next()?.is_some() {}
    Ok(())
}

/// Forgets at most `budget` keys whose time is over; says whether it were as many.
fn forget_keys(connection: &Connection, now: Timestamp, budget: i64) -> rusqlite::Result<bool> {
    let delete = "DELETE FROM idempotency_keys WHERE (topic_id, key) IN ( \
                  SELECT topic_id, key FROM idempotency_keys WHERE expires_ms <= ?1 LIMIT ?2)";
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let forgotten = connection.prepare_cached(delete)?.execute((now, budget))?;
    Ok(is_used_up(forgotten, budget))
}

/// Whether a step did as much as it may, so that there may be more to do.
pub(super) fn is_used_up(done: usize, budget: i64) -> bool {
    i64::try_from(done).unwrap_or(i64::MAX) >= budget
}

/// Forgets empty topics beyond the newest [`EMPTY_TOPICS`]. How far retention went in them is
/// remembered for all of them together: a reader of one may be told of a gap that was none, and
/// never misses one. Says whether it were as many as one step forgets.
fn forget_topics(connection: &Connection) -> rusqlite::Result<bool> {
    let select = "SELECT topic_id, pruned_ms, pruned_seq FROM topics WHERE message_count = 0 \
                  AND NOT EXISTS (SELECT 1 FROM idempotency_keys k WHERE k.topic_id = topics.topic_id) \
                  AND NOT EXISTS (SELECT 1 FROM consumers c WHERE c.topic_id = topics.topic_id) \
                  ORDER BY last_ms DESC LIMIT ?1 OFFSET ?2";
    let forgotten = connection
        .prepare_cached(select)?
        .query_map((TOPICS_PER_STEP, EMPTY_TOPICS), |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?
        .collect::<rusqlite::Result<Vec<(TopicId, (i64, i64))>>>()?;
    let Some(newest) = forgotten.iter().map(|(_, pruned)| *pruned).max() else {
        return Ok(false);
    };
    let delete = "DELETE FROM topics WHERE topic_id = ?1";
    for (topic_id, _) in &forgotten {
        connection.prepare_cached(delete)?.execute([topic_id])?;
    }
    let newest = newest.max(read::forgotten(connection)?);
    let note = "UPDATE counters SET value = ?2 WHERE name = ?1";
    let mut note = connection.prepare_cached(note)?;
    note.execute(("forgotten_ms", newest.0))?;
    note.execute(("forgotten_seq", newest.1))?;
    Ok(is_used_up(forgotten.len(), TOPICS_PER_STEP))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_topic_of_which_nothing_goes_is_hardly_read() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::create(&mut connection).unwrap();
        let filled = "INSERT INTO topics (topic_id, name, message_count) VALUES (1, 'a', 2000); \
            WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL \
            SELECT n + 1 FROM numbers WHERE n < 2000) \
            INSERT INTO messages SELECT 1, 1000 + n, n, 'text', NULL FROM numbers";
        connection.execute_batch(filled).unwrap();
        let steps = |max_age, max_count| {
            let policy = RetentionPolicy {
                max_age: Duration::from_millis(max_age),
                max_count,
            };
            let (now, mut place) = (Timestamp::from_millis(3001), Place::default());
            let pruned = prune(&connection, &policy, 2000, now, &mut place).unwrap();
            let statement = connection.prepare_cached(LAST_TO_GO).unwrap();
            let steps = statement.reset_status(StatementStatus::VmStep);
            (pruned.removed, steps)
        };
        let (removed, steps_for_none) = steps(10_000, 2000);
        assert_eq!(removed, 0);
        assert!(steps_for_none < 100, "{steps_for_none} steps");
        let (removed, steps_for_some) = steps(10_000, 1990);
        assert_eq!(removed, 10);
        assert!(steps_for_some < 500, "{steps_for_some} steps");
        // By age a few more than by number, and the other way around.
        assert_eq!(steps(1980, 1985).0, 10);
        assert_eq!(steps(1980, 1970).0, 10);
    }
}
