//! The SQL statements, and the conversion of rows to values and back.

pub(crate) mod consumers;
pub(crate) mod deletion;
pub(crate) mod health;
pub(crate) mod idempotency_keys;
pub(crate) mod prune;
pub(crate) mod read;
pub(crate) mod revocations;
pub(crate) mod seen_time;
pub(crate) mod starts;
pub(crate) mod topics;
pub(crate) mod write_batch;
pub(crate) mod writer_cache;

use std::sync::Arc;

use posthorn_domain::{
    Attributes, Message, MessageChecksum, MessageContent, MessageId, MessageParts, Timestamp,
    Topic, TraceParent,
};
use rusqlite::types::Type;
use rusqlite::{Error, Row};

/// The primary key of a topic.
pub(crate) type TopicId = i64;

/// An id as the columns `ms` and `seq`, which sort as the id does.
pub(crate) type IdColumns = (i64, i64);

/// The columns of an id. A sequence number beyond SQLite's integers is clamped: it stays above every
/// number that the store assigns.
pub(crate) fn columns(id: MessageId) -> IdColumns {
    let clamped = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    (clamped(id.timestamp().as_millis()), clamped(id.sequence()))
}

/// The id in two columns.
pub(crate) fn id((ms, seq): IdColumns) -> MessageId {
    let number = |column: i64| u64::try_from(column).unwrap_or(0);
    MessageId::new(Timestamp::from_millis(number(ms)), number(seq))
}

/// A time as a column.
pub(crate) fn millis(timestamp: Timestamp) -> i64 {
    i64::try_from(timestamp.as_millis()).unwrap_or(i64::MAX)
}

/// True if a statement changed as many rows as its budget allows, so that there may be more.
pub(crate) fn is_exhausted(changed: usize, budget: i64) -> bool {
    i64::try_from(changed).unwrap_or(i64::MAX) >= budget
}

/// The column of the time when a message was stored: `NULL` if it is the time in the id.
pub(crate) fn stored_column(id: MessageId, processed_at: Timestamp) -> Option<i64> {
    (processed_at != id.timestamp()).then(|| millis(processed_at))
}

/// The time when a message was stored.
pub(crate) fn processed_at(id: MessageId, stored: Option<i64>) -> Timestamp {
    let stored = stored.and_then(|millis| u64::try_from(millis).ok());
    stored.map_or(id.timestamp(), Timestamp::from_millis)
}

/// The message in the columns `ms`, `seq`, `content`, `attributes`, `stored_ms`, `checksum`, `traceparent`.
///
/// # Errors
/// Also if it does not match its checksum. A message of an earlier version has none.
pub(crate) fn message(topic: &Topic, row: &Row<'_>) -> rusqlite::Result<Arc<Message>> {
    let attributes = match row.get_ref(3)?.as_str_or_null()? {
        Some(json) => parse_attributes(json)?,
        None => Attributes::default(),
    };
    let traceparent = row.get_ref(6)?.as_str_or_null()?;
    let traceparent = traceparent.map(TraceParent::parse).transpose();
    let id = id((row.get(0)?, row.get(1)?));
    let message = Message {
        id,
        topic: topic.clone(),
        content: MessageContent::from_store(row.get::<_, String>(2)?),
        attributes,
        traceparent: traceparent.map_err(|error| unreadable(6, error))?,
        processed_at: processed_at(id, row.get(4)?),
    };
    let sum = checksum(id, message.parts(), message.processed_at);
    match row.get::<_, Option<i64>>(5)? {
        Some(stored) if stored != sum => {
            let error = format!("the checksum is {sum}, not {stored}");
            Err(unreadable(5, error))
        }
        _ => Ok(Arc::new(message)),
    }
}

/// As [`message`]; `None` if the record does not hold one: it must not keep others back.
pub(crate) fn readable(topic: &Topic, row: &Row<'_>) -> rusqlite::Result<Option<Arc<Message>>> {
    intact(message(topic, row))
}

/// As `read`; `None` if the row does not hold what the schema says: it must not keep others back.
pub(crate) fn intact<T>(read: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        // Without a code it is no error of SQLite's but a value that is not what the schema says.
        Err(error) if error.sqlite_error_code().is_none() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The column `checksum` of a message.
pub(crate) fn checksum(id: MessageId, parts: MessageParts<'_>, processed_at: Timestamp) -> i64 {
    let sum = MessageChecksum::of(parts).at(id, processed_at);
    sum.to_bits().into()
}

/// The attributes as a JSON object; `None` if there are none.
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

fn parse_attributes(json: &str) -> rusqlite::Result<Attributes> {
    let map: std::collections::BTreeMap<String, String> =
        serde_json::from_str(json).map_err(|error| unreadable(3, error))?;
    Attributes::parse(map).map_err(|error| unreadable(3, error))
}

/// The error of a column that does not hold what the schema says.
fn unreadable(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
