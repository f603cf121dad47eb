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
type PageReply = (Vec<StreamEntry>, Vec<StreamEntry>, Option<String>, bool);

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
        .arg(ByteBudget::MAX)
        .arg(&page_range(request.anchor))
        // One more than the limit shows whether there are more.
        .arg(limit + 1);
    if let Some(range) = range_beyond(request.anchor) {
        script.arg(&range).arg(1);
    }
    let reply: Value = sessions.query(keys::topic_slot(topic), &script).await?;

    let (mut entries, beyond, pruned, ended): PageReply = record::from_value(reply)?;
    let more = ended || entries.len() > limit;
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

/// True if retention removed a message after the anchor; `pruned` is the newest removed one.
fn is_truncated(anchor: Anchor, pruned: Option<MessageId>) -> bool {
    matches!(anchor, Anchor::After(after) if pruned > Some(after))
}

/// The command, start and end of the range of the page, from the anchor outwards.
fn page_range(anchor: Anchor) -> [String; 3] {
    match anchor {
        Anchor::Oldest => range("XRANGE", "-", "+"),
        Anchor::Newest => range("XREVRANGE", "+", "-"),
        Anchor::After(id) => range("XRANGE", &format!("({}", record::entry_id(id)), "+"),
        Anchor::Before(id) => range("XREVRANGE", &before(id), "-"),
    }
}

/// As [`page_range`] for the other side of the anchor, including its own entry.
fn range_beyond(anchor: Anchor) -> Option<[String; 3]> {
    match anchor {
        Anchor::Oldest | Anchor::Newest => None,
        Anchor::After(id) => Some(range("XREVRANGE", &record::entry_id(id), "-")),
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
