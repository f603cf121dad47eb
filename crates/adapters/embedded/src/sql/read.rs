//! Reads: one message, pages, topics.

use std::sync::Arc;

use posthorn_application::{
    Anchor, ByteBudget, Page, PageRequest, TopicPage, TopicRequest, TopicSummary,
};
use posthorn_domain::{Message, MessageId, Topic};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row};

use super::{IdColumns, TopicId, columns, id, message};

/// Below every id of a store.
const MIN: IdColumns = (-1, -1);
/// Above every id of a store.
const MAX: IdColumns = (i64::MAX, i64::MAX);

/// The key of a topic, if it has a row.
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
    let select = "SELECT ms, seq, content, attributes, stored_ms FROM messages JOIN topics USING (topic_id) \
                  WHERE name = ?1 AND ms = ?2 AND seq = ?3";
    let (ms, seq) = columns(id);
    let mut select = connection.prepare_cached(select)?;
    select
        .query_row((topic.as_str(), ms, seq), |row| message(topic, row))
        .optional()
}

/// A page.
pub(crate) fn page(
    connection: &Connection,
    topic: &Topic,
    request: PageRequest,
) -> rusqlite::Result<Page> {
    // One snapshot for all statements.
    let snapshot = connection.unchecked_transaction()?;
    let select = "SELECT topic_id, pruned_ms, pruned_seq FROM topics WHERE name = ?1";
    let found = snapshot
        .prepare_cached(select)?
        .query_row([topic.as_str()], |row| {
            Ok((row.get::<_, TopicId>(0)?, (row.get(1)?, row.get(2)?)))
        })
        .optional()?;
    let Some((topic_id, pruned)) = found else {
        // The topic may have existed before and lost its row.
        let pruned = forgotten_watermark(&snapshot)?;
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
    let (mut messages, has_ahead) = walk(&snapshot, topic, topic_id, from, limit, forward)?;
    if !forward {
        messages.reverse();
    }
    // The messages behind the page start at its first row in the direction of the walk. An empty
    // page lies at its anchor, which may itself be a message.
    let edge = if forward {
        messages.first()
    } else {
        messages.last()
    };
    let edge = edge.map_or(from, |message| columns(message.id));
    let has_behind = has_message(&snapshot, topic_id, edge, if forward { "<" } else { ">" })?
        || messages.is_empty() && has_message(&snapshot, topic_id, from, "=")?;
    let (has_older, has_newer) = if forward {
        (has_behind, has_ahead)
    } else {
        (has_ahead, has_behind)
    };
    Ok(Page {
        messages,
        has_older,
        has_newer,
        truncated: is_truncated(request.anchor, pruned),
        pruned: newest_pruned(pruned),
    })
}

/// True if retention removed a message after the anchor.
fn is_truncated(anchor: Anchor, pruned: IdColumns) -> bool {
    matches!(anchor, Anchor::After(id) if columns(id) < pruned)
}

/// The watermark as an id; `None` if it is zero, because retention removed nothing.
fn newest_pruned(watermark: IdColumns) -> Option<MessageId> {
    (watermark > (0, 0)).then(|| id(watermark))
}

/// The watermark of all topics without a row.
pub(crate) fn forgotten_watermark(connection: &Connection) -> rusqlite::Result<IdColumns> {
    let select = "SELECT value FROM counters WHERE name = ?1";
    let mut select = connection.prepare_cached(select)?;
    let ms = select.query_row(["forgotten_ms"], |row| row.get(0))?;
    Ok((ms, select.query_row(["forgotten_seq"], |row| row.get(0))?))
}

/// The next messages up to `limit`, as far as their bytes allow, and whether there are more. It selects one
/// row more than the limit, which shows that.
fn walk(
    connection: &Connection,
    topic: &Topic,
    topic_id: TopicId,
    (ms, seq): IdColumns,
    limit: usize,
    forward: bool,
) -> rusqlite::Result<(Vec<Arc<Message>>, bool)> {
    let select = if forward {
        "SELECT ms, seq, content, attributes, stored_ms FROM messages \
         WHERE topic_id = ?1 AND (ms, seq) > (?2, ?3) ORDER BY ms, seq LIMIT ?4"
    } else {
        "SELECT ms, seq, content, attributes, stored_ms FROM messages \
         WHERE topic_id = ?1 AND (ms, seq) < (?2, ?3) ORDER BY ms DESC, seq DESC LIMIT ?4"
    };
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query((topic_id, ms, seq, rows))?;
    let (mut messages, mut budget) = (Vec::new(), ByteBudget::default());
    while let Some(row) = rows.next()? {
        let message = message(topic, row)?;
        if messages.len() == limit || !budget.admits(&message) {
            return Ok((messages, true));
        }
        messages.push(message);
    }
    Ok((messages, false))
}

/// True if the topic has a message before (`<`), after (`>`) or at (`=`) an id.
fn has_message(
    connection: &Connection,
    topic_id: TopicId,
    (ms, seq): IdColumns,
    operator: &'static str,
) -> rusqlite::Result<bool> {
    let select = format!(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE topic_id = ?1 AND (ms, seq) {operator} (?2, ?3))"
    );
    connection
        .prepare_cached(&select)?
        .query_row((topic_id, ms, seq), |row| row.get(0))
}

/// The topics with a message, by name.
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
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let summaries = select.query_map((after, rows), summary)?;
    let mut topics = summaries.collect::<rusqlite::Result<Vec<_>>>()?;
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
        first: id((row.get(2)?, row.get(3)?)),
        last: id((row.get(4)?, row.get(5)?)),
    })
}
