//! Every key in Redis, its type and its TTL.
//!
//! `PREFIX` is the configured prefix, `posthorn` by default. Braces enclose the hash tag (Redis Cluster
//! specification, "Hash tags"): all keys of a topic share a slot, and so do all keys of a client.
//! `CLIENT` is `sub:SUBJECT`, an IPv4 address or an IPv6 network; `SCOPE` is `message`, `read` or
//! `default-ROUTE`.
//!
//! | key | type | TTL | value |
//! | --- | --- | --- | --- |
//! | `PREFIX:cache:KEY` | string | the caller's | a cached value |
//! | `PREFIX:{t:TOPIC}:messages` | stream | none | the messages: the id of an entry is that of the message, its fields are `content`, `a:NAME` for each attribute and, with an idempotency key, `key`: `ENDS KEY`, where `ENDS` is the end of the key's record in milliseconds |
//! | `PREFIX:{t:TOPIC}:pruned` | string | none; 30 days once the topic is idle | the id of the newest message that retention removed |
//! | `PREFIX:{t:TOPIC}:key:IDEMPOTENCY-KEY` | string | the append's | `ID DURABILITY FINGERPRINT POD` of the first append with that key |
//! | `PREFIX:{t:TOPIC}:fence` | hash | none; deleted with the stream | `run`, the `run_id` of the server; `after` and `before`, the ids between which the stream had no entry when that run began |
//! | `PREFIX:topics` | sorted set, all scores 0 | none | the names of the topics that can hold messages |
//! | `PREFIX:quota:{CLIENT}:SCOPE:fixed` | hash | the end of its last window | for each window, by its length in seconds, its beginning and its number of requests |
//! | `PREFIX:quota:{CLIENT}:SCOPE:moving` | sorted set | the longest window | the allowed requests, each by its microsecond |
//! | `PREFIX:denied:JTI` | string | until the token expires | the token with this id is revoked |
//! | `PREFIX:{NUMBER}:probe` | – | – | never exists: health checks attempt writes that require it; `NUMBER` is 0, and on a cluster one for each primary |
//! | `PREFIX:wake` | channel | – | the names of topics with new messages, one per line |
//!
//! An emptied stream is kept for a day, because it remembers the greatest id that it assigned: `XADD`
//! continues from there even if the clock of the server goes back. After a day without a new message,
//! when the clock is far beyond its ids, pruning deletes it. It has no TTL, which a new message would
//! not cancel.

use posthorn_application::QuotaKey;
use posthorn_domain::{IdempotencyKey, TokenId, Topic};

use crate::cluster::slots::slot_of;

/// The longest TTL: 100 years in milliseconds, far below the overflow in Redis.
pub(crate) const MAX_TTL_MILLIS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// A cached value.
pub(crate) fn cache(prefix: &str, key: &str) -> String {
    format!("{prefix}:cache:{key}")
}

/// The index of topics.
pub(crate) fn topics(prefix: &str) -> String {
    format!("{prefix}:topics")
}

/// The channel of announcements.
pub(crate) fn wake(prefix: &str) -> String {
    format!("{prefix}:wake")
}

/// The stream of messages of `topic`.
pub(crate) fn messages(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:messages")
}

/// The mark of retention of `topic`.
pub(crate) fn pruned(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:pruned")
}

/// The record of an idempotency key.
pub(crate) fn idempotency(prefix: &str, topic: &Topic, key: &IdempotencyKey) -> String {
    idempotency_prefix(prefix, topic) + key.as_str()
}

/// The beginning of every [`idempotency`] key of `topic`.
pub(crate) fn idempotency_prefix(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:key:")
}

/// The fence of `topic` against a torn append-only file.
pub(crate) fn fence(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:fence")
}

/// The fixed windows of a quota.
pub(crate) fn quota_fixed(prefix: &str, key: &QuotaKey) -> String {
    format!("{prefix}:quota:{{{}}}:{}:fixed", key.client, key.scope)
}

/// The moving windows of a quota.
pub(crate) fn quota_moving(prefix: &str, key: &QuotaKey) -> String {
    format!("{prefix}:quota:{{{}}}:{}:moving", key.client, key.scope)
}

/// The revocation of a token.
pub(crate) fn denied(prefix: &str, id: &TokenId) -> String {
    format!("{prefix}:denied:{id}")
}

/// The key of probing writes, which never exists. `tag` selects the node, see [`probe_slot`].
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
