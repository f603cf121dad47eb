//! Reads: one message, and pages.

use std::sync::Arc;

use posthorn_application::{Anchor, ByteBudget, GivenIds, Page, PageRequest};
use posthorn_domain::{Message, MessageId, Topic};
use rusqlite::{Connection, OptionalExtension};

use super::{IdColumns, TopicId, columns, id, message, readable, starts};

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
    let select = "SELECT ms, seq, content, attributes, stored_ms, checksum, traceparent \
                  FROM messages JOIN topics USING (topic_id) \
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
        return page_without_topic(&snapshot, request.anchor);
    };
    let forward = matches!(
        request.anchor,
        Anchor::Oldest | Anchor::After(_) | Anchor::Since(_)
    );
    let from = match request.anchor {
        Anchor::Oldest => MIN,
        Anchor::Newest => MAX,
        Anchor::After(id) | Anchor::Since(id) | Anchor::Before(id) => columns(id),
    };
    let limit = request.limit.get();
    let (mut page, has_ahead) = walk(&snapshot, topic, topic_id, from, limit, forward)?;
    if !forward {
        page.messages.reverse();
        page.unreadable.reverse();
    }
    // The messages behind the page are those up to its anchor, which may itself be one.
    let behind = nearest(&snapshot, topic_id, from, !forward)?;
    let has_behind = behind.is_some();
    (page.has_older, page.has_newer) = if forward {
        (has_behind, has_ahead)
    } else {
        (has_ahead, has_behind)
    };
    page.truncated = is_truncated(&snapshot, request.anchor, pruned, behind, page.first())?;
    page.pruned = newest_pruned(pruned);
    Ok(page)
}

/// The page of a topic without a row, which may have existed before and lost its row.
fn page_without_topic(snapshot: &Connection, anchor: Anchor) -> rusqlite::Result<Page> {
    let pruned = forgotten_watermark(snapshot)?;
    Ok(Page {
        truncated: is_truncated(snapshot, anchor, pruned, None, None)?,
        pruned: newest_pruned(pruned),
        ..Page::default()
    })
}

/// True if the store never gave the id `cursor`; `before` is the last message up to it, `after` the first one after it.
fn was_never_given(
    connection: &Connection,
    cursor: MessageId,
    before: Option<IdColumns>,
    after: Option<MessageId>,
) -> rusqlite::Result<bool> {
    let before = before.map(id);
    // A reader that follows the topic has the id of its last message: nothing else is read for it.
    if before == Some(cursor) {
        return Ok(false);
    }
    let counters = ["last_ms", "last_seq"];
    let newest = columns_of(connection, counters)?;
    let given = GivenIds {
        starts: &starts::load(connection)?,
        newest: id(newest),
        before,
        after,
    };
    Ok(given.exclude(cursor))
}

/// True if retention removed a message after the anchor, or if the anchor is a cursor that the store never gave; `before`
/// and `after` are as in [`was_never_given`].
fn is_truncated(
    connection: &Connection,
    anchor: Anchor,
    pruned: IdColumns,
    before: Option<IdColumns>,
    after: Option<MessageId>,
) -> rusqlite::Result<bool> {
    match anchor {
        Anchor::After(id) | Anchor::Since(id) if columns(id) < pruned => Ok(true),
        Anchor::After(cursor) if columns(cursor) > pruned => {
            was_never_given(connection, cursor, before, after)
        }
        _ => Ok(false),
    }
}

/// The watermark as an id; `None` if it is zero, because retention removed nothing.
fn newest_pruned(watermark: IdColumns) -> Option<MessageId> {
    (watermark > (0, 0)).then(|| id(watermark))
}

/// The watermark of all topics without a row.
pub(crate) fn forgotten_watermark(connection: &Connection) -> rusqlite::Result<IdColumns> {
    columns_of(connection, ["forgotten_ms", "forgotten_seq"])
}

/// The id in two counters.
fn columns_of(connection: &Connection, [ms, seq]: [&str; 2]) -> rusqlite::Result<IdColumns> {
    let select = "SELECT value FROM counters WHERE name = ?1";
    let mut select = connection.prepare_cached(select)?;
    let ms = select.query_row([ms], |row| row.get(0))?;
    Ok((ms, select.query_row([seq], |row| row.get(0))?))
}

/// A page of the next messages up to `limit`, as far as their bytes allow, and whether there are more. It selects
/// one row more than the limit, which shows that.
fn walk(
    connection: &Connection,
    topic: &Topic,
    topic_id: TopicId,
    (ms, seq): IdColumns,
    limit: usize,
    forward: bool,
) -> rusqlite::Result<(Page, bool)> {
    let select = if forward {
        "SELECT ms, seq, content, attributes, stored_ms, checksum, traceparent FROM messages \
         WHERE topic_id = ?1 AND (ms, seq) > (?2, ?3) ORDER BY ms, seq LIMIT ?4"
    } else {
        "SELECT ms, seq, content, attributes, stored_ms, checksum, traceparent FROM messages \
         WHERE topic_id = ?1 AND (ms, seq) < (?2, ?3) ORDER BY ms DESC, seq DESC LIMIT ?4"
    };
    let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query((topic_id, ms, seq, rows))?;
    let (mut page, mut budget) = (Page::default(), ByteBudget::default());
    while let Some(row) = rows.next()? {
        if page.messages.len() + page.unreadable.len() == limit {
            return Ok((page, true));
        }
        match readable(topic, row)? {
            Some(message) if !budget.admits(&message) => return Ok((page, true)),
            Some(message) => page.messages.push(message),
            None => page.unreadable.push(id((row.get(0)?, row.get(1)?))),
        }
    }
    Ok((page, false))
}

/// The nearest message of the topic at an id or on one side of it: after it if `forward`, else before it.
fn nearest(
    connection: &Connection,
    topic_id: TopicId,
    (ms, seq): IdColumns,
    forward: bool,
) -> rusqlite::Result<Option<IdColumns>> {
    let select = if forward {
        "SELECT ms, seq FROM messages WHERE topic_id = ?1 AND (ms, seq) >= (?2, ?3) \
         ORDER BY ms, seq LIMIT 1"
    } else {
        "SELECT ms, seq FROM messages WHERE topic_id = ?1 AND (ms, seq) <= (?2, ?3) \
         ORDER BY ms DESC, seq DESC LIMIT 1"
    };
    connection
        .prepare_cached(select)?
        .query_row((topic_id, ms, seq), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}
