//! Reading one message and pages of messages.

use std::sync::Arc;

use posthorn_application::{Anchor, ByteBudget, Page, PageRequest, StoreError};
use posthorn_domain::{Message, MessageId, Topic};
use redis::Value;

use crate::cluster::sessions::Sessions;
use crate::keys;
use crate::store::record::{self, StreamEntry};
use crate::store::scripts::PAGE;

/// The message `id` of `topic`; `None` if the topic does not hold it.
pub(crate) async fn get(
    sessions: &Sessions,
    prefix: &str,
    topic: &Topic,
    id: MessageId,
) -> Result<Option<Arc<Message>>, StoreError> {
    let entry = record::entry_id(id);
    let mut command = redis::cmd("XRANGE");
    command
        .arg(keys::messages(prefix, topic))
        .arg(&entry)
        .arg(&entry);
    let reply: Value = sessions.query(keys::topic_slot(topic), &command).await?;
    let entries: Vec<StreamEntry> = record::from_value(reply)?;
    entries
        .into_iter()
        .next()
        .map(|entry| record::message(topic, entry))
        .transpose()
}

/// The reply of [`PAGE`].
type PageReply = (Vec<Value>, Vec<Value>, Option<String>, bool, Vec<String>);

/// A page of `topic`.
///
/// The commands of [`PAGE`] read the end of a range, so the cost does not depend on the position.
pub(crate) async fn page(
    sessions: &Sessions,
    prefix: &str,
    topic: &Topic,
    request: PageRequest,
) -> Result<Page, StoreError> {
    let limit = request.limit.get();
    let mut script = PAGE.key(keys::messages(prefix, topic));
    script
        .key(keys::pruned(prefix, topic))
        .key(keys::fence(prefix, topic))
        .arg(ByteBudget::MAX)
        .arg(&page_range(request.anchor))
        // One more than the limit shows whether there are more.
        .arg(limit + 1);
    if let Some(range) = range_beyond(request.anchor) {
        script.arg(&range).arg(1);
    }
    if let Anchor::After(id) = request.anchor {
        script.arg(record::entry_id(id));
    }
    let reply: Value = sessions.query(keys::topic_slot(topic), &script).await?;

    let (mut entries, beyond, pruned, ended, ids): PageReply = record::from_value(reply)?;
    let more = ended || entries.len() > limit;
    entries.truncate(limit);
    let beyond = !beyond.is_empty();
    let pruned = pruned.map(|id| record::parse_id(&id)).transpose()?;
    let truncated = is_truncated(request.anchor, pruned) || is_lost(request.anchor, pruned, &ids)?;
    let forwards = range_is_forwards(request.anchor);
    if !forwards {
        entries.reverse();
    }
    let mut page = Page {
        truncated,
        pruned,
        ..Page::default()
    };
    for entry in entries {
        let (id, _): (String, Value) = record::from_value(entry.clone())?;
        let message = record::from_value(entry).and_then(|entry| record::message(topic, entry));
        match message {
            Ok(message) => page.messages.push(message),
            Err(_) => page.unreadable.push(record::parse_id(&id)?),
        }
    }
    (page.has_older, page.has_newer) = if forwards {
        (beyond, more)
    } else {
        (more, beyond)
    };
    Ok(page)
}

/// True if the page follows its anchor.
fn range_is_forwards(anchor: Anchor) -> bool {
    matches!(anchor, Anchor::Oldest | Anchor::After(_) | Anchor::Since(_))
}

/// True if the topic never gave the id after which the page begins. `ids` are those of [`PAGE`]: the newest id of the
/// topic, the two ids between which it gave none, and the one before which it gave none since its newest pruned one.
fn is_lost(anchor: Anchor, pruned: Option<MessageId>, ids: &[String]) -> Result<bool, StoreError> {
    let Anchor::After(cursor) = anchor else {
        return Ok(false);
    };
    if cursor == MessageId::MIN || Some(cursor) <= pruned || ids.is_empty() {
        return Ok(false);
    }
    let id = |place: usize| {
        let text = ids.get(place).filter(|text| !text.is_empty());
        text.map(|text| record::parse_id(text)).transpose()
    };
    let (newest, after, before, born) = (id(0)?, id(1)?, id(2)?, id(3)?);
    if Some(cursor) > newest {
        return Ok(true);
    }
    // A position in time has no number.
    let is_between = after < Some(cursor) && Some(cursor) < before;
    Ok(cursor.sequence() != u64::MAX && (is_between || Some(cursor) < born))
}

/// True if retention removed a message after the anchor; `pruned` is the newest removed one.
fn is_truncated(anchor: Anchor, pruned: Option<MessageId>) -> bool {
    matches!(anchor, Anchor::After(after) | Anchor::Since(after) if pruned > Some(after))
}

/// The command, start and end of the range of the page, from the anchor outwards.
fn page_range(anchor: Anchor) -> [String; 3] {
    match anchor {
        Anchor::Oldest => range("XRANGE", "-", "+"),
        Anchor::Newest => range("XREVRANGE", "+", "-"),
        Anchor::After(id) | Anchor::Since(id) => {
            range("XRANGE", &format!("({}", record::entry_id(id)), "+")
        }
        Anchor::Before(id) => range("XREVRANGE", &before(id), "-"),
    }
}

/// As [`page_range`] for the other side of the anchor, including its own entry.
fn range_beyond(anchor: Anchor) -> Option<[String; 3]> {
    match anchor {
        Anchor::Oldest | Anchor::Newest => None,
        Anchor::After(id) | Anchor::Since(id) => {
            Some(range("XREVRANGE", &record::entry_id(id), "-"))
        }
        Anchor::Before(id) => Some(range("XRANGE", &record::entry_id(id), "+")),
    }
}

/// The end of a range before `id`. Redis rejects `(0-0`; no entry has the id `0-0`, so it can be
/// included.
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
