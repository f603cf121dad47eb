//! Reading messages.

use std::sync::Arc;

use posthorn_application::{Anchor, Page, PageRequest, StoreError};
use posthorn_domain::{Message, MessageId, Topic};
use redis::{Cmd, Pipeline, Value};

use super::record::{self, Entry};
use super::session::Session;
use crate::keys;

/// The message `id` of `topic`, if it is held.
pub(super) async fn get(
    session: &Session,
    prefix: &str,
    topic: &Topic,
    id: MessageId,
) -> Result<Option<Arc<Message>>, StoreError> {
    let entry = record::entry_id(id);
    let mut pipeline = Pipeline::with_capacity(1);
    pipeline
        .cmd("XRANGE")
        .arg(keys::messages(prefix, topic))
        .arg(&entry)
        .arg(&entry);
    let [answer]: [Value; 1] = session.query(keys::topic_slot(topic), &pipeline).await?;
    let entries: Vec<Entry> = record::from_value(answer)?;
    entries
        .into_iter()
        .next()
        .map(|entry| record::message(topic, entry))
        .transpose()
}

/// Removes the message `id` of `topic`; says whether it was held.
pub(super) async fn delete(
    session: &Session,
    prefix: &str,
    topic: &Topic,
    id: MessageId,
) -> Result<bool, StoreError> {
    let mut pipeline = Pipeline::with_capacity(1);
    pipeline
        .cmd("XDEL")
        .arg(keys::messages(prefix, topic))
        .arg(record::entry_id(id));
    let [removed]: [bool; 1] = session
        .query_once(keys::topic_slot(topic), &pipeline)
        .await?;
    Ok(removed)
}

/// A page of `topic`.
///
/// One transaction, so that the page, what lies on either side of it and how far retention went
/// are of one moment. Each command looks at the end of a range, so the depth does not matter.
pub(super) async fn page(
    session: &Session,
    prefix: &str,
    topic: &Topic,
    request: PageRequest,
) -> Result<Page, StoreError> {
    let key = keys::messages(prefix, topic);
    let limit = request.limit.get();
    let mut pipeline = Pipeline::with_capacity(3);
    pipeline.atomic();
    pipeline.add_command(run(&key, request.anchor, limit + 1));
    if let Some(probe) = beyond(&key, request.anchor) {
        pipeline.add_command(probe);
    } else {
        // Nothing can lie beyond an end; the answers keep their places.
        pipeline.cmd("XRANGE").arg(&key).arg("+").arg("-");
    }
    pipeline.cmd("GET").arg(keys::pruned(prefix, topic));
    let [run, beyond, pruned]: [Value; 3] =
        session.query(keys::topic_slot(topic), &pipeline).await?;

    let mut entries: Vec<Entry> = record::from_value(run)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let beyond = !record::from_value::<Vec<Entry>>(beyond)?.is_empty();
    let forwards = matches!(request.anchor, Anchor::Oldest | Anchor::After(_));
    if !forwards {
        entries.reverse();
    }
    let messages = entries
        .into_iter()
        .map(|entry| record::message(topic, entry));
    let (has_older, has_newer) = if forwards {
        (beyond, more)
    } else {
        (more, beyond)
    };
    Ok(Page {
        messages: messages.collect::<Result<_, _>>()?,
        has_older,
        has_newer,
        truncated: is_truncated(request.anchor, pruned)?,
    })
}

/// Whether retention removed a message after the anchor; what it removed last was the newest.
fn is_truncated(anchor: Anchor, pruned: Value) -> Result<bool, StoreError> {
    let Anchor::After(after) = anchor else {
        return Ok(false);
    };
    let pruned: Option<String> = record::from_value(pruned)?;
    Ok(pruned
        .map(|id| record::parse_id(&id))
        .transpose()?
        .is_some_and(|newest| newest > after))
}

/// The entries next to the anchor, nearest first.
fn run(key: &str, anchor: Anchor, count: usize) -> Cmd {
    match anchor {
        Anchor::Oldest => range("XRANGE", key, "-", "+", count),
        Anchor::Newest => range("XREVRANGE", key, "+", "-", count),
        Anchor::After(id) => range(
            "XRANGE",
            key,
            &format!("({}", record::entry_id(id)),
            "+",
            count,
        ),
        Anchor::Before(id) => range("XREVRANGE", key, &before(id), "-", count),
    }
}

/// One entry on the other side of the anchor, whose own entry lies there, too, or is not skipped.
fn beyond(key: &str, anchor: Anchor) -> Option<Cmd> {
    match anchor {
        Anchor::Oldest | Anchor::Newest => None,
        Anchor::After(id) => Some(range("XREVRANGE", key, &record::entry_id(id), "-", 1)),
        Anchor::Before(id) => Some(range("XRANGE", key, &record::entry_id(id), "+", 1)),
    }
}

/// The end of a range that `id` is not in. Redis takes no range that ends before `0-0`, which no
/// entry has.
fn before(id: MessageId) -> String {
    let entry = record::entry_id(id);
    if id == MessageId::MIN {
        entry
    } else {
        format!("({entry}")
    }
}

fn range(command: &str, key: &str, from: &str, to: &str, count: usize) -> Cmd {
    let mut command = redis::cmd(command);
    command.arg(key).arg(from).arg(to).arg("COUNT").arg(count);
    command
}
