//! Every key in Redis, its type and its TTL.
//!
//! `PREFIX` is the configured prefix, `posthorn` by default. What stands in braces is the hash tag
//! (Redis Cluster specification, "Hash tags"), so that all keys of one topic share a slot, and
//! so do all keys of one client. `CLIENT` is `sub:SUBJECT`, an IPv4 address or an IPv6 network; `SCOPE`
//! is `message`, `read` or `default-ROUTE`.
//!
//! | key | type | TTL | holds |
//! | --- | --- | --- | --- |
//! | `PREFIX:cache:KEY` | string | the caller's | a cached value |
//! | `PREFIX:{t:TOPIC}:messages` | stream | none | the messages: the entry's id is the message's, its fields are `content`, `a:NAME` for each attribute, and `key`, if there was an idempotency key: `ENDS KEY`, with the time in milliseconds when its record ends |
//! | `PREFIX:{t:TOPIC}:pruned` | string | none; 30 days once the topic is idle | the id of the newest message that retention removed |
//! | `PREFIX:{t:TOPIC}:key:IDEMPOTENCY-KEY` | string | the append's | `ID DURABILITY FINGERPRINT POD` of the first append with that key |
//! | `PREFIX:{t:TOPIC}:fence` | hash | none; goes with the stream | `run`, the server's `run_id`; `after` and `before`, the ids between which the stream had nothing when that run began |
//! | `PREFIX:topics` | sorted set, all scores 0 | none | the names of the topics that may hold messages |
//! | `PREFIX:quota:{CLIENT}:SCOPE:fixed` | hash | the end of its last window | for each window, by its length in seconds, when it began and how many requests it holds |
//! | `PREFIX:quota:{CLIENT}:SCOPE:moving` | sorted set | the longest window | the allowed requests, each by its microsecond |
//! | `PREFIX:denied:JTI` | string | until the token would have ended | that the token of that id was revoked |
//! | `PREFIX:{NUMBER}:probe` | – | – | nothing, ever: health tries writes that need the key to be there; `NUMBER` is 0, and on a cluster one for each primary |
//! | `PREFIX:wake` | channel | – | the names of topics that just got messages, one a line |
//!
//! An emptied stream stays for a day, because it remembers the greatest id it ever gave; `XADD` goes
//! on from there even when the server's clock went back. After a day without a new message pruning
//! deletes it: the clock is far past its ids then. It is never given a TTL, which a new message would
//! not end.

use posthorn_application::QuotaKey;
use posthorn_domain::{IdempotencyKey, TokenId, Topic};

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
    idempotency_prefix(prefix, topic) + key.as_str()
}

/// What the key of an [`idempotency`] record begins with, up to the idempotency key.
pub(crate) fn idempotency_prefix(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:key:")
}

/// What the last restart of the server may have brought back to `topic`.
pub(crate) fn fence(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:fence")
}

/// The fixed windows of `key`.
pub(crate) fn quota_fixed(prefix: &str, key: &QuotaKey) -> String {
    format!("{prefix}:quota:{{{}}}:{}:fixed", key.client, key.scope)
}

/// The moving windows of `key`.
pub(crate) fn quota_moving(prefix: &str, key: &QuotaKey) -> String {
    format!("{prefix}:quota:{{{}}}:{}:moving", key.client, key.scope)
}

/// That the token called `id` was revoked.
pub(crate) fn denied(prefix: &str, id: &TokenId) -> String {
    format!("{prefix}:denied:{id}")
}

/// What a write is tried on; never there. The number is of the node, see [`probe_slot`].
pub(crate) fn probe(prefix: &str, tag: u32) -> String {
    format!("{prefix}:{{{tag}}}:probe")
}

/// The slot of the [`probe`] with this number.
pub(crate) fn probe_slot(tag: u32) -> u16 {
    slot_of(&tag.to_string())
}

/// The slot of every key of `topic`.
pub(crate) fn topic_slot(topic: &Topic) -> u16 {
    slot_of(&format!("{{t:{topic}}}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use posthorn_application::{QuotaClass, QuotaScope};
    use posthorn_domain::Client;

    use super::*;

    #[test]
    fn all_keys_of_a_topic_share_its_slot() {
        let topic = Topic::parse("a.b-c_d").unwrap();
        // A key may hold braces of its own; the first pair counts.
        let key = IdempotencyKey::parse("}{x}").unwrap();
        for name in [
            messages("p", &topic),
            pruned("p", &topic),
            fence("p", &topic),
            idempotency("p", &topic, &key),
        ] {
            assert_eq!(slot_of(&name), topic_slot(&topic), "{name}");
        }
    }

    #[test]
    fn all_keys_of_a_client_share_a_slot_and_no_two_scopes_a_key() {
        let key = |subject: &str, class, route| QuotaKey {
            client: Client::of_subject(subject),
            scope: QuotaScope { class, route },
        };
        for subject in ["alice", "}{x}", "", "a}:message:fixed"] {
            let keys = [
                key(subject, QuotaClass::Message, ""),
                key(subject, QuotaClass::Read, ""),
                key(subject, QuotaClass::Default, "info"),
            ];
            let names = keys
                .iter()
                .flat_map(|key| [quota_fixed("p", key), quota_moving("p", key)]);
            let names: BTreeSet<_> = names.collect();
            assert_eq!(names.len(), 6);
            let slots: BTreeSet<_> = names.iter().map(|name| slot_of(name)).collect();
            assert_eq!(slots.len(), 1, "{subject}");
        }
    }
}
