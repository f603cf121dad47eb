//! The format of messages and idempotency records in Redis.

use std::fmt::Write as _;
use std::sync::Arc;

use posthorn_application::StoreError;
use posthorn_domain::{
    Attributes, Durability, Fingerprint, Message, MessageChecksum, MessageContent, MessageId,
    MessageParts, Timestamp, Topic, TraceParent,
};
use redis::{FromRedisValue, Value};

/// The field of the text.
pub(super) const CONTENT: &str = "content";
/// The beginning of the field of an attribute; its key follows.
pub(super) const ATTRIBUTE: &str = "a:";
/// The field of the time when a message was stored, in milliseconds, if it is not the time in the id. It
/// comes first.
const AT: &str = "at";
/// The field of the end of the idempotency record, in milliseconds, and the idempotency key.
pub(super) const KEY: &str = "key";

/// The field of the sender's place in a trace, if it sent one.
pub(super) const TRACEPARENT: &str = "traceparent";

/// The field of the checksum of what the sender gave, in hexadecimal. It comes last; entries of earlier versions
/// do not have it.
pub(super) const SUM: &str = "sum";

/// An entry of a stream: its id, then fields and values in turn.
pub(super) type StreamEntry = (String, Vec<String>);

/// The first receipt of an idempotency key.
#[derive(Debug)]
pub(super) struct StoredReceipt<'a> {
    pub(super) id: MessageId,
    pub(super) processed_at: Timestamp,
    pub(super) durability: Durability,
    /// In hexadecimal, see [`hex`].
    pub(super) fingerprint: &'a str,
    pub(super) instance: &'a str,
}

/// Parses an entry of `topic`.
///
/// # Errors
/// Also if it does not match its checksum.
pub(super) fn message(
    topic: &Topic,
    (id, fields): StreamEntry,
) -> Result<Arc<Message>, StoreError> {
    let id = parse_id(&id)?;
    let (mut content, mut processed_at, mut sum) = (None, id.timestamp(), None);
    let (mut attributes, mut traceparent) = (Vec::new(), None);
    let mut fields = fields.into_iter();
    while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
        if field == CONTENT {
            content = Some(value);
        } else if field == AT {
            processed_at = parse_millis(&value)?;
        } else if field == TRACEPARENT {
            traceparent = Some(value);
        } else if field == SUM {
            sum = Some(value);
        } else if let Some(key) = field.strip_prefix(ATTRIBUTE) {
            attributes.push((Box::<str>::from(key), value));
        }
    }
    let content = content.ok_or_else(|| corrupt(format!("message {id} has no text")))?;
    let attributes =
        Attributes::parse(attributes).map_err(|error| corrupt(format!("message {id}: {error}")))?;
    let traceparent = traceparent.as_deref().map(TraceParent::parse).transpose();
    let message = Message {
        id,
        topic: topic.clone(),
        content: MessageContent::from_store(content),
        attributes,
        traceparent: traceparent.map_err(|error| corrupt(format!("message {id}: {error}")))?,
        processed_at,
    };
    if sum.is_some_and(|sum| sum != checksum(message.parts())) {
        return Err(corrupt(format!("message {id} does not match its checksum")));
    }
    Ok(Arc::new(message))
}

/// The value of [`SUM`].
pub(super) fn checksum(parts: MessageParts<'_>) -> String {
    format!("{:08x}", MessageChecksum::of(parts).to_bits())
}

/// Parses the id of an entry.
pub(super) fn parse_id(text: &str) -> Result<MessageId, StoreError> {
    let parts = text.split_once('-').and_then(|(millis, sequence)| {
        let millis: u64 = millis.parse().ok()?;
        let fits = millis <= Timestamp::MAX.as_millis();
        fits.then_some((Timestamp::from_millis(millis), sequence.parse().ok()?))
    });
    let (timestamp, sequence) =
        parts.ok_or_else(|| corrupt(format!("not the id of an entry: {text:.40}")))?;
    Ok(MessageId::new(timestamp, sequence))
}

/// Parses a time in milliseconds.
pub(super) fn parse_millis(text: &str) -> Result<Timestamp, StoreError> {
    let millis = text.parse().map(Timestamp::from_millis);
    millis.map_err(|_| corrupt(format!("not a time: {text:.40}")))
}

/// The id of the entry of message `id`.
pub(super) fn entry_id(id: MessageId) -> String {
    format!("{}-{}", id.timestamp().as_millis(), id.sequence())
}

/// As [`entry_id`] with leading zeros: such ids sort as texts. [`parse_id`] parses both.
pub(super) fn padded_id(id: MessageId) -> String {
    format!("{:015}-{:020}", id.timestamp().as_millis(), id.sequence())
}

/// Converts a reply; one of another type means that the store is corrupt.
pub(super) fn from_value<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    T::from_redis_value(value).map_err(|error| corrupt(error.to_string()))
}

pub(super) fn corrupt(text: String) -> StoreError {
    StoreError::Corrupt(text)
}

/// The record of an idempotency key without the id, which the server prepends.
pub(super) fn receipt_tail(
    durability: Durability,
    fingerprint: &Fingerprint,
    instance: &str,
) -> String {
    format!("{durability} {} {instance}", hex(fingerprint))
}

/// Parses the record of an idempotency key.
pub(super) fn parse_receipt(record: &str) -> Result<StoredReceipt<'_>, StoreError> {
    // The instance comes last, because its name may contain spaces.
    let mut parts = record.splitn(4, ' ');
    let (Some(id), Some(durability), Some(fingerprint), Some(instance)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(corrupt(
            "the record of an idempotency key must have four parts".to_owned(),
        ));
    };
    let (id, at) = match id.split_once('/') {
        Some((id, at)) => (parse_id(id)?, Some(parse_millis(at)?)),
        None => (parse_id(id)?, None),
    };
    Ok(StoredReceipt {
        id,
        processed_at: at.unwrap_or(id.timestamp()),
        durability: durability
            .parse()
            .map_err(|_| corrupt("an unknown durability".to_owned()))?,
        fingerprint,
        instance,
    })
}

/// `fingerprint` in hexadecimal.
pub(super) fn hex(fingerprint: &Fingerprint) -> String {
    let mut text = String::with_capacity(2 * Fingerprint::LENGTH);
    for byte in fingerprint.as_bytes() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn an_entry_id_survives_a_round_trip() {
        for id in [
            MessageId::MIN,
            MessageId::MAX,
            MessageId::new(Timestamp::from_millis(1), 2),
        ] {
            assert_eq!(parse_id(&entry_id(id)), Ok(id));
            assert_eq!(parse_id(&padded_id(id)), Ok(id));
        }
    }

    #[test]
    fn an_entry_of_another_form_is_corrupt() {
        for id in [
            "",
            "1",
            "1-",
            "-1",
            "a-1",
            "281474976710656-0",
            "1-18446744073709551616",
        ] {
            assert!(matches!(parse_id(id), Err(StoreError::Corrupt(_))), "{id}");
        }
        let topic = Topic::inbox();
        for fields in [
            vec![],
            vec!["x", "y"],
            vec!["content"],
            vec!["content", "x", "a:BAD", "v"],
            vec!["content", "x", "sum", "8cdc1682"],
            vec!["content", "x", "a:a", "", "sum", "8cdc1683"],
            vec!["content", "x", "traceparent", "00-1-1-01"],
            vec!["content", "x", "traceparent", PARENT, "sum", "8cdc1683"],
        ] {
            let fields = fields.into_iter().map(str::to_owned).collect();
            let read = message(&topic, ("1-1".to_owned(), fields));
            assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        }
    }

    #[test]
    fn a_receipt_keeps_an_instance_with_spaces() {
        let fingerprint = Fingerprint::from_bytes([0xA5; 32]);
        let tail = receipt_tail(Durability::Synced, &fingerprint, "a b");
        let record = format!("1-2 {tail}");
        let receipt = parse_receipt(&record).unwrap();
        assert_eq!(receipt.id, MessageId::new(Timestamp::from_millis(1), 2));
        assert_eq!(receipt.processed_at, Timestamp::from_millis(1));
        let dated = format!("9-2/7 {tail}");
        let dated = parse_receipt(&dated).unwrap();
        assert_eq!(dated.id, MessageId::new(Timestamp::from_millis(9), 2));
        assert_eq!(dated.processed_at, Timestamp::from_millis(7));
        assert_eq!(receipt.durability, Durability::Synced);
        assert_eq!(receipt.fingerprint, hex(&fingerprint));
        assert_eq!(receipt.instance, "a b");
        assert!(parse_receipt("1-2 synced").is_err());
        assert!(parse_receipt("1-2 other ff a").is_err());
    }
}
