//! Reading messages.

use std::sync::Arc;

use posthorn_application::{Anchor, Page, PageRequest, StoreError};
use posthorn_domain::{Message, MessageId, Topic};
use redis::{Pipeline, Value};

use super::record::{self, Entry};
use super::scripts::PAGE;
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
    let mut pipeline = Pipeline::with_capacity(2);
    // A torn transaction before it could take it along with the next restart.
    pipeline.add_command(record::fence_command(prefix, topic, false));
    pipeline
        .cmd("XDEL")
        .arg(keys::messages(prefix, topic))
        .arg(record::entry_id(id));
    let (_, removed): (Value, bool) = session
        .query_once(keys::topic_slot(topic), &pipeline)
        .await?;
    Ok(removed)
}

/// A page of `topic`.
///
/// Each command of [`PAGE`] looks at the end of a range, so the depth does not matter.
pub(super) async fn page(
    session: &Session,
    prefix: &str,
    topic: &Topic,
    request: PageRequest,
) -> Result<Page, StoreError> {
    let limit = request.limit.get();
    let mut pipeline = Pipeline::with_capacity(1);
    let command = pipeline
        .cmd("EVAL")
        .arg(PAGE)
        .arg(2)
        .arg(keys::messages(prefix, topic))
        .arg(keys::pruned(prefix, topic))
        .arg(&run(request.anchor))
        .arg(limit + 1);
    if let Some(range) = beyond(request.anchor) {
        command.arg(&range).arg(1);
    }
    let [answer]: [Value; 1] = session.query(keys::topic_slot(topic), &pipeline).await?;

    let (mut entries, beyond, pruned): (Vec<Entry>, Vec<Entry>, Option<String>) =
        record::from_value(answer)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let beyond = !beyond.is_empty();
    let pruned = pruned.map(|id| record::parse_id(&id)).transpose()?;
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
        truncated: is_truncated(request.anchor, pruned),
        pruned,
    })
}

/// Whether retention removed a message after the anchor; what it removed last was the newest.
fn is_truncated(anchor: Anchor, pruned: Option<MessageId>) -> bool {
    matches!(anchor, Anchor::After(after) if pruned > Some(after))
}

/// The command that reads the entries next to the anchor, nearest first, and from where to where.
fn run(anchor: Anchor) -> [String; 3] {
    match anchor {
        Anchor::Oldest => range("XRANGE", "-", "+"),
        Anchor::Newest => range("XREVRANGE", "+", "-"),
        Anchor::After(id) => range("XRANGE", &format!("({}", record::entry_id(id)), "+"),
        Anchor::Before(id) => range("XREVRANGE", &before(id), "-"),
    }
}

/// As [`run`], on the other side of the anchor, whose own entry lies there, too, or is not skipped.
fn beyond(anchor: Anchor) -> Option<[String; 3]> {
    match anchor {
        Anchor::Oldest | Anchor::Newest => None,
        Anchor::After(id) => Some(range("XREVRANGE", &record::entry_id(id), "-")),
        Anchor::Before(id) => Some(range("XRANGE", &record::entry_id(id), "+")),
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

fn range(command: &str, from: &str, to: &str) -> [String; 3] {
    [command, from, to].map(str::to_owned)
}
