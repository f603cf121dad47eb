//! Reading: one message, pages, topics.

use std::sync::Arc;

use posthorn_application::{Anchor, Page, PageRequest, TopicPage, TopicRequest, TopicSummary};
use posthorn_domain::{Message, MessageId, Topic};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row};

use super::{TopicId, columns, id, message};

/// Below every id that a store gives.
const MIN: (i64, i64) = (-1, -1);
/// Above every id that a store gives.
const MAX: (i64, i64) = (i64::MAX, i64::MAX);

/// The key of a topic, if the file knows it.
pub(crate) fn topic_id(
    connection: &Connection,
    topic: &Topic,
) -> rusqlite::Result<Option<TopicId>> {
    let select = "SELECT topic_id FROM topics WHERE name = ?1";
    let mut select = connection.prepare_cached(select)?;
    select
        .query_row([topic.as_str()], |row| row.get(0))
        .optional()
}

/// One message.
pub(crate) fn get(
    connection: &Connection,
    topic: &Topic,
    id: MessageId,
) -> rusqlite::Result<Option<Arc<Message>>> {
    let select = "SELECT ms, seq, content, attributes FROM messages JOIN topics USING (topic_id) \
                  WHERE name = ?1 AND ms = ?2 AND seq = ?3";
    let (ms, seq) = columns(id);
    let mut select = connection.prepare_cached(select)?;
    select
        .query_row((topic.as_str(), ms, seq), |row| message(topic, row))
        .optional()
}

/// A page; one row more than its limit says whether the walk goes on.
pub(crate) fn page(
    connection: &Connection,
    topic: &Topic,
    request: PageRequest,
) -> rusqlite::Result<Page> {
    // All looks see the same state of the file.
    let snapshot = connection.unchecked_transaction()?;
    let select = "SELECT topic_id, pruned_ms, pruned_seq FROM topics WHERE name = ?1";
    let found = snapshot
        .prepare_cached(select)?
        .query_row([topic.as_str()], |row| {
            Ok((row.get::<_, TopicId>(0)?, (row.get(1)?, row.get(2)?)))
        })
        .optional()?;
    let Some((topic_id, pruned)) = found else {
        // It may have been there before and forgotten since.
        let pruned = forgotten(&snapshot)?;
        return Ok(Page {
            truncated: is_truncated(request.anchor, pruned),
            pruned: newest_pruned(pruned),
            ..Page::default()
        });
    };
    let forward = matches!(request.anchor, Anchor::Oldest | Anchor::After(_));
    let from = match request.anchor {
        Anchor::Oldest => MIN,
        Anchor::Newest => MAX,
        Anchor::After(id) | Anchor::Before(id) => columns(id),
    };
    let limit = request.limit.get();
    let mut messages = walk(&snapshot, topic, topic_id, from, limit + 1, forward)?;
    let goes_on = messages.len() > limit;
    messages.truncate(limit);
    if !forward {
        messages.reverse();
    }
    // The other side of the page: of its first row in the direction of the walk, or of its anchor.
    let edge = if forward {
        messages.first()
    } else {
        messages.last()
    };
    let edge = edge.map_or(from, |message| columns(message.id));
    let has_behind = exists(&snapshot, topic_id, edge, !forward)?
        // An empty page lies at its anchor, which may itself be a message.
        || messages.is_empty() && is_held(&snapshot, topic_id, from)?;
    let (has_older, has_newer) = if forward {
        (has_behind, goes_on)
    } else {
        (goes_on, has_behind)
    };
    let truncated = is_truncated(request.anchor, pruned);
    Ok(Page {
        messages,
        has_older,
        has_newer,
        truncated,
        pruned: newest_pruned(pruned),
    })
}

/// Whether retention removed something after the anchor.
fn is_truncated(anchor: Anchor, pruned: (i64, i64)) -> bool {
    matches!(anchor, Anchor::After(id) if columns(id) < pruned)
}

/// How far retention went, as an id; zeros when it removed nothing.
fn newest_pruned((ms, seq): (i64, i64)) -> Option<MessageId> {
    ((ms, seq) > (0, 0)).then(|| id(ms, seq))
}

/// The newest message that retention removed from a topic that was forgotten since.
pub(crate) fn forgotten(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let select = "SELECT value FROM counters WHERE name = ?1";
    let mut select = connection.prepare_cached(select)?;
    let ms = select.query_row(["forgotten_ms"], |row| row.get(0))?;
    Ok((ms, select.query_row(["forgotten_seq"], |row| row.get(0))?))
}

fn walk(
    connection: &Connection,
    topic: &Topic,
    topic_id: TopicId,
    (ms, seq): (i64, i64),
    limit: usize,
    forward: bool,
) -> rusqlite::Result<Vec<Arc<Message>>> {
    let select = if forward {
        "SELECT ms, seq, content, attributes FROM messages \
         WHERE topic_id = ?1 AND (ms, seq) > (?2, ?3) ORDER BY ms, seq LIMIT ?4"
    } else {
        "SELECT ms, seq, content, attributes FROM messages \
         WHERE topic_id = ?1 AND (ms, seq) < (?2, ?3) ORDER BY ms DESC, seq DESC LIMIT ?4"
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map((topic_id, ms, seq, limit), |row| message(topic, row))?;
    rows.collect()
}

/// Whether there is a message on one side of an id.
fn exists(
    connection: &Connection,
    topic_id: TopicId,
    (ms, seq): (i64, i64),
    newer: bool,
) -> rusqlite::Result<bool> {
    let select = if newer {
        "SELECT EXISTS (SELECT 1 FROM messages WHERE topic_id = ?1 AND (ms, seq) > (?2, ?3))"
    } else {
        "SELECT EXISTS (SELECT 1 FROM messages WHERE topic_id = ?1 AND (ms, seq) < (?2, ?3))"
    };
    connection
        .prepare_cached(select)?
        .query_row((topic_id, ms, seq), |row| row.get(0))
}

fn is_held(
    connection: &Connection,
    topic_id: TopicId,
    (ms, seq): (i64, i64),
) -> rusqlite::Result<bool> {
    let select =
        "SELECT EXISTS (SELECT 1 FROM messages WHERE topic_id = ?1 AND ms = ?2 AND seq = ?3)";
    connection
        .prepare_cached(select)?
        .query_row((topic_id, ms, seq), |row| row.get(0))
}

/// The topics that hold messages, by name.
pub(crate) fn topics(
    connection: &Connection,
    request: &TopicRequest,
) -> rusqlite::Result<TopicPage> {
    let snapshot = connection.unchecked_transaction()?;
    let select = "SELECT name, message_count, \
        (SELECT ms FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms, seq LIMIT 1), \
        (SELECT seq FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms, seq LIMIT 1), \
        (SELECT ms FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms DESC, seq DESC LIMIT 1), \
        (SELECT seq FROM messages m WHERE m.topic_id = t.topic_id ORDER BY ms DESC, seq DESC LIMIT 1) \
        FROM topics t WHERE name > ?1 AND message_count > 0 ORDER BY name LIMIT ?2";
    let limit = request.limit.get();
    let after = request.after.as_ref().map_or("", Topic::as_str);
    let mut select = snapshot.prepare_cached(select)?;
    let asked = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows = select.query_map((after, asked), summary)?;
    let mut topics = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = topics.len() > limit;
    topics.truncate(limit);
    Ok(TopicPage { topics, has_more })
}

fn summary(row: &Row<'_>) -> rusqlite::Result<TopicSummary> {
    let topic = row
        .get_ref(0)?
        .as_str()?
        .parse()
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
    Ok(TopicSummary {
        topic,
        count: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        first: id(row.get(2)?, row.get(3)?),
        last: id(row.get(4)?, row.get(5)?),
    })
}
