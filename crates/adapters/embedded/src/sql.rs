//! What is asked of SQLite: the statements, and rows to values and back.

pub(crate) mod append;
pub(crate) mod consumers;
pub(crate) mod prune;
pub(crate) mod read;
pub(crate) mod revocations;

use std::sync::Arc;

use posthorn_domain::{Attributes, Message, MessageContent, MessageId, Timestamp, Topic};
use rusqlite::types::Type;
use rusqlite::{Error, Row};

/// A topic's key in the other tables.
pub(crate) type TopicId = i64;

/// The two columns of an id. A sequence number beyond SQLite's integers is above every one that
/// the store gives, and so is the greatest integer.
pub(crate) fn columns(id: MessageId) -> (i64, i64) {
    let clamped = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    (clamped(id.timestamp().as_millis()), clamped(id.sequence()))
}

/// The id in two columns.
pub(crate) fn id(ms: i64, seq: i64) -> MessageId {
    let number = |column: i64| u64::try_from(column).unwrap_or(0);
    MessageId::new(Timestamp::from_millis(number(ms)), number(seq))
}

/// The message in the columns `ms`, `seq`, `content`, `attributes`.
pub(crate) fn message(topic: &Topic, row: &Row<'_>) -> rusqlite::Result<Arc<Message>> {
    let attributes = match row.get_ref(3)?.as_str_or_null()? {
        Some(json) => attributes_of(json)?,
        None => Attributes::default(),
    };
    Ok(Arc::new(Message {
        id: id(row.get(0)?, row.get(1)?),
        topic: topic.clone(),
        content: MessageContent::from_store(row.get::<_, String>(2)?),
        attributes,
    }))
}

/// The JSON of the attributes; nothing for none.
pub(crate) fn attributes_json(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let map: serde_json::Map<_, _> = attributes
        .iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    Some(serde_json::Value::Object(map).to_string())
}

fn attributes_of(json: &str) -> rusqlite::Result<Attributes> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::FromSqlConversionFailure(3, Type::Text, error)
    };
    let map: std::collections::BTreeMap<String, String> =
        serde_json::from_str(json).map_err(|error| unreadable(error.into()))?;
    Attributes::parse(map).map_err(|error| unreadable(error.into()))
}
