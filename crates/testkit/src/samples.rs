//! Values for tests, in one line each.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Append, AppendBatch, Clock, Idempotency, PageLimit};
use posthorn_domain::{
    Attributes, BatchMessage, Claims, ContentRules, Fingerprint, IdempotencyKey, MessageBatch,
    MessageContent, NewMessage, Scopes, Subject, TokenId, Topic, TopicPattern, TraceParent,
};

use crate::fake_clock::FakeClock;

/// The name of the instance in sample appends.
pub const INSTANCE: &str = "test-pod";

/// The topic `name`.
///
/// # Panics
/// If `name` is not a valid topic.
pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// A message of `text` to `topic`, without attributes.
///
/// # Panics
/// If `text` violates the default rules.
pub fn message(topic: &Topic, text: &str) -> NewMessage {
    NewMessage {
        topic: topic.clone(),
        content: MessageContent::parse(text, &ContentRules::default()).unwrap(),
        attributes: Attributes::default(),
        traceparent: None,
    }
}

/// An append of `text` to `topic`, without a key.
///
/// # Panics
/// If `text` violates the default rules.
pub fn append(topic: &Topic, text: &str) -> Append {
    Append {
        message: message(topic, text),
        instance: Arc::from(INSTANCE),
        idempotency: None,
    }
}

/// An append of `text` to `topic` under `key`, with a fingerprint that is a function of `text`.
///
/// # Panics
/// If `text` violates the default rules or `key` is invalid.
pub fn keyed_append(topic: &Topic, text: &str, key: &str, ttl: Duration) -> Append {
    let key = IdempotencyKey::parse(key).unwrap();
    let idempotency = Idempotency {
        key,
        fingerprint: fingerprint(text),
        ttl,
    };
    Append {
        idempotency: Some(idempotency),
        ..append(topic, text)
    }
}

/// An append of `texts` to `topic` as a batch, without a key.
///
/// # Panics
/// If a text violates the default rules, or there are none or too many.
pub fn batch(topic: &Topic, texts: &[&str]) -> AppendBatch {
    let messages = texts.iter().map(|text| {
        let NewMessage {
            content,
            attributes,
            traceparent,
            ..
        } = message(topic, text);
        BatchMessage {
            content,
            attributes,
            traceparent,
        }
    });
    AppendBatch {
        topic: topic.clone(),
        batch: MessageBatch::parse(messages.collect()).unwrap(),
        instance: Arc::from(INSTANCE),
        idempotency: None,
    }
}

/// As [`batch`], under `key`, with a fingerprint that is a function of the texts.
///
/// # Panics
/// As [`batch`], or if `key` is invalid.
pub fn keyed_batch(topic: &Topic, texts: &[&str], key: &str, ttl: Duration) -> AppendBatch {
    let idempotency = Idempotency {
        key: IdempotencyKey::parse(key).unwrap(),
        fingerprint: fingerprint(&format!("batch {}", texts.join(" "))),
        ttl,
    };
    AppendBatch {
        idempotency: Some(idempotency),
        ..batch(topic, texts)
    }
}

/// Attributes.
///
/// # Panics
/// If an entry is invalid, or there are too many.
pub fn attributes(entries: impl IntoIterator<Item = (String, String)>) -> Attributes {
    Attributes::parse(entries).unwrap()
}

/// A `traceparent`, whose ids are functions of `number`.
///
/// # Panics
/// If `number` is 0.
pub fn traceparent(number: u64) -> TraceParent {
    TraceParent::parse(&format!("00-{number:032x}-{number:016x}-01")).unwrap()
}

/// A page limit.
///
/// # Panics
/// If `limit` is not 1 to 200.
pub fn limit(limit: usize) -> PageLimit {
    PageLimit::parse(limit).unwrap()
}

/// The first 30 bytes and the length: not collision-resistant, but different for the texts of tests.
fn fingerprint(text: &str) -> Fingerprint {
    let mut bytes = [0; Fingerprint::LENGTH];
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    for (place, byte) in bytes.iter_mut().zip(length.into_iter().chain(text.bytes())) {
        *place = byte;
    }
    Fingerprint::from_bytes(bytes)
}

/// The claims of a token that expires an hour after the start of a `FakeClock`.
///
/// # Panics
/// If a value is invalid.
pub fn claims(subject: &str, scopes: &str, topics: &[&str]) -> Claims {
    let topics = topics
        .iter()
        .map(|topic| TopicPattern::parse(topic).unwrap());
    Claims {
        id: TokenId::parse(&format!("id-of-{subject}")).unwrap(),
        subject: Subject::parse(subject).unwrap(),
        scopes: Scopes::known_in(scopes),
        topics: topics.collect(),
        expires_at: FakeClock::new()
            .now()
            .saturating_add(Duration::from_hours(1)),
    }
}
