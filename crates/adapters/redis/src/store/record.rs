//! What is written into Redis, and how it is read back.

use std::fmt::Write as _;
use std::sync::Arc;

use posthorn_application::{Append, AppendError, Appended, StoreError};
use posthorn_domain::{
    Attributes, Durability, Fingerprint, Message, MessageContent, MessageId, Receipt, Timestamp,
    Topic,
};
use redis::{Cmd, FromRedisValue, Value};

use super::scripts::{FENCE, Named, append_once};
use crate::keys;

/// The field of the text.
const CONTENT: &str = "content";
/// What the field of an attribute starts with; the attribute's key follows.
const ATTRIBUTE: &str = "a:";

/// The field of the idempotency key and of the time in milliseconds when its record ends.
const KEY: &str = "key";

/// An entry of a stream: its id, its fields and values in turn.
pub(super) type Entry = (String, Vec<String>);

/// The command that appends; `durability` goes into the record of the idempotency key.
pub(super) fn append_command(
    prefix: &str,
    append: &Append,
    durability: Durability,
    script: Named,
) -> Cmd {
    let messages = keys::messages(prefix, &append.message.topic);
    let mut command = if let Some(idempotency) = &append.idempotency {
        let ttl = u64::try_from(idempotency.ttl.as_millis()).unwrap_or(keys::MAX_TTL_MILLIS);
        let mut command = append_once(script);
        command
            .arg(2)
            .arg(messages)
            .arg(keys::idempotency(
                prefix,
                &append.message.topic,
                &idempotency.key,
            ))
            .arg(ttl.clamp(1, keys::MAX_TTL_MILLIS))
            .arg(record_tail(
                durability,
                &idempotency.fingerprint,
                &append.pod,
            ))
            .arg(u8::from(durability == Durability::Replicated))
            .arg(KEY)
            .arg(idempotency.key.as_str());
        command
    } else {
        let mut command = redis::cmd("XADD");
        command.arg(messages).arg("*");
        command
    };
    command.arg(CONTENT).arg(append.message.content.as_str());
    for (key, value) in append.message.attributes.iter() {
        command.arg(format!("{ATTRIBUTE}{key}")).arg(value);
    }
    command
}

/// The command that fences `topic`, see [`FENCE`]; `appending` if the topic gets a message next.
pub(super) fn fence_command(prefix: &str, topic: &Topic, appending: bool) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(FENCE)
        .arg(2)
        .arg(keys::messages(prefix, topic))
        .arg(keys::fence(prefix, topic))
        .arg(keys::idempotency_prefix(prefix, topic))
        .arg(KEY)
        .arg(u8::from(appending));
    command
}

/// The command that would append if it were allowed to begin a stream: it needs and is refused what
/// an append is, and stores nothing.
pub(super) fn probe_command(prefix: &str, tag: u32) -> Cmd {
    let mut command = redis::cmd("XADD");
    command
        .arg(keys::probe(prefix, tag))
        .arg("NOMKSTREAM")
        .arg("*")
        .arg(CONTENT)
        .arg("");
    command
}

/// Reads the answer to [`append_command`].
pub(super) fn appended(
    append: Append,
    durability: Durability,
    answer: Value,
) -> Result<Appended, AppendError> {
    let Append {
        message,
        pod,
        idempotency,
    } = append;
    let topic = message.topic;
    let receipt = |id, topic, durability, pod| Receipt {
        id,
        topic,
        durability,
        pod,
    };
    let Some(idempotency) = idempotency else {
        let id = parse_id(&from_value::<String>(answer)?)?;
        return Ok(Appended {
            receipt: receipt(id, topic, durability, pod),
            replayed: false,
        });
    };
    let (stored, text) = from_value::<(bool, String)>(answer)?;
    if stored {
        let receipt = receipt(parse_id(&text)?, topic, durability, pod);
        return Ok(Appended {
            receipt,
            replayed: false,
        });
    }
    let (id, durability, fingerprint, pod) = parse_record(&text)?;
    if fingerprint != hex(&idempotency.fingerprint) {
        return Err(AppendError::KeyReused);
    }
    Ok(Appended {
        receipt: receipt(id, topic, durability, Arc::from(pod)),
        replayed: true,
    })
}

/// The message that `entry` of `topic` holds.
pub(super) fn message(topic: &Topic, (id, fields): Entry) -> Result<Arc<Message>, StoreError> {
    let id = parse_id(&id)?;
    let mut content = None;
    let mut attributes = Vec::new();
    let mut fields = fields.into_iter();
    while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
        if field == CONTENT {
            content = Some(value);
        } else if let Some(key) = field.strip_prefix(ATTRIBUTE) {
            attributes.push((Box::<str>::from(key), value));
        }
    }
    let content = content.ok_or_else(|| corrupt(format!("message {id} has no text")))?;
    let attributes =
        Attributes::parse(attributes).map_err(|error| corrupt(format!("message {id}: {error}")))?;
    let content = MessageContent::from_store(content);
    Ok(Arc::new(Message {
        id,
        topic: topic.clone(),
        content,
        attributes,
    }))
}

/// The id of a stream's entry.
pub(super) fn parse_id(text: &str) -> Result<MessageId, StoreError> {
    let parts = text.split_once('-').and_then(|(millis, sequence)| {
        let millis: u64 = millis.parse().ok()?;
        let fits = millis <= Timestamp::MAX.as_millis();
        fits.then_some((Timestamp::from_millis(millis), sequence.parse().ok()?))
    });
    let (timestamp, sequence) = parts.ok_or_else(|| corrupt(format!("no entry id: {text:.40}")))?;
    Ok(MessageId::new(timestamp, sequence))
}

/// The id of the stream's entry that holds message `id`.
pub(super) fn entry_id(id: MessageId) -> String {
    format!("{}-{}", id.timestamp().as_millis(), id.sequence())
}

/// An answer of the server in the form that it has to have.
pub(super) fn from_value<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    T::from_redis_value(value).map_err(|error| corrupt(error.to_string()))
}

pub(super) fn corrupt(text: String) -> StoreError {
    StoreError::Corrupt(text)
}

fn record_tail(durability: Durability, fingerprint: &Fingerprint, pod: &str) -> String {
    format!("{durability} {} {pod}", hex(fingerprint))
}

fn parse_record(record: &str) -> Result<(MessageId, Durability, &str, &str), StoreError> {
    let mut parts = record.splitn(4, ' ');
    let (Some(id), Some(durability), Some(fingerprint), Some(pod)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(corrupt(
            "the record of an idempotency key has four parts".to_owned(),
        ));
    };
    let durability = durability
        .parse()
        .map_err(|_| corrupt("an unknown durability".to_owned()))?;
    Ok((parse_id(id)?, durability, fingerprint, pod))
}

fn hex(fingerprint: &Fingerprint) -> String {
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

    #[test]
    fn an_entry_id_survives_a_round_trip() {
        for id in [
            MessageId::MIN,
            MessageId::MAX,
            MessageId::new(Timestamp::from_millis(1), 2),
        ] {
            assert_eq!(parse_id(&entry_id(id)), Ok(id));
        }
    }

    #[test]
    fn what_is_no_entry_of_ours_is_corrupt() {
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
        ] {
            let fields = fields.into_iter().map(str::to_owned).collect();
            let read = message(&topic, ("1-1".to_owned(), fields));
            assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        }
    }

    #[test]
    fn a_record_keeps_a_pod_with_spaces() {
        let fingerprint = Fingerprint::from_bytes([0xA5; 32]);
        let record = format!(
            "1-2 {}",
            record_tail(Durability::Synced, &fingerprint, "a b")
        );
        let (id, durability, found, pod) = parse_record(&record).unwrap();
        assert_eq!(
            (id, durability),
            (
                MessageId::new(Timestamp::from_millis(1), 2),
                Durability::Synced
            )
        );
        assert_eq!((found, pod), (hex(&fingerprint).as_str(), "a b"));
        assert!(parse_record("1-2 synced").is_err());
        assert!(parse_record("1-2 other ff a").is_err());
    }
}
