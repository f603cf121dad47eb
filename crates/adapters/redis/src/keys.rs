//! Every key in Redis, its type and its TTL.
//!
//! `PREFIX` is the configured prefix, `posthorn` by default. What stands in braces is the hash tag
//! (Redis Cluster specification, "Hash tags"), so that all keys of one topic share a slot.
//!
//! | key | type | TTL | holds |
//! | --- | --- | --- | --- |
//! | `PREFIX:cache:KEY` | string | the caller's | a cached value |
//! | `PREFIX:{t:TOPIC}:messages` | stream | none | the messages: the entry's id is the message's, its fields are `content` and `a:NAME` for each attribute |
//! | `PREFIX:{t:TOPIC}:pruned` | string | none | the id of the newest message that retention removed |
//! | `PREFIX:{t:TOPIC}:key:IDEMPOTENCY-KEY` | string | the append's | `ID DURABILITY FINGERPRINT POD` of the first append with that key |
//! | `PREFIX:topics` | sorted set, all scores 0 | none | the names of the topics that may hold messages |
//! | `PREFIX:wake` | channel | – | the names of topics that just got messages, one a line |
//!
//! An emptied stream stays, because it remembers the greatest id it ever gave; `XADD` goes on from
//! there even when the server's clock went back.

use posthorn_domain::{IdempotencyKey, Topic};

use crate::slots::slot_of;

/// The longest TTL asked of Redis: 100 years in milliseconds, far from its overflow.
pub(crate) const MAX_TTL_MILLIS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// The cached value called `key`.
pub(crate) fn cache(prefix: &str, key: &str) -> String {
    format!("{prefix}:cache:{key}")
}

/// The names of the topics.
pub(crate) fn topics(prefix: &str) -> String {
    format!("{prefix}:topics")
}

/// Where appends are announced.
pub(crate) fn wake(prefix: &str) -> String {
    format!("{prefix}:wake")
}

/// The messages of `topic`.
pub(crate) fn messages(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:messages")
}

/// How far retention went in `topic`.
pub(crate) fn pruned(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:pruned")
}

/// The first append to `topic` with `key`.
pub(crate) fn idempotency(prefix: &str, topic: &Topic, key: &IdempotencyKey) -> String {
    format!("{prefix}:{{t:{topic}}}:key:{}", key.as_str())
}

/// The slot of every key of `topic`.
pub(crate) fn topic_slot(topic: &Topic) -> u16 {
    slot_of(&format!("{{t:{topic}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_topic_share_its_slot() {
        let topic = Topic::parse("a.b-c_d").unwrap();
        // A key may hold braces of its own; the first pair counts.
        let key = IdempotencyKey::parse("}{x}").unwrap();
        for name in [
            messages("p", &topic),
            pruned("p", &topic),
            idempotency("p", &topic, &key),
        ] {
            assert_eq!(slot_of(&name), topic_slot(&topic), "{name}");
        }
    }
}
