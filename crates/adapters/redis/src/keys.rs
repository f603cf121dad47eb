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
//! | `PREFIX:{t:TOPIC}:messages` | stream | none | the messages: the id of an entry is that of the message, its fields are `at`, the time when it was stored in milliseconds if that is not the time in the id, `content`, `a:NAME` for each attribute, `sum`, the checksum, and, with an idempotency key, `key`: `ENDS KEY`, where `ENDS` is the end of the key's record in milliseconds |
//! | `PREFIX:{t:TOPIC}:pruned` | string | none; 30 days once the topic is idle | the id of the newest message that retention removed |
//! | `PREFIX:{t:TOPIC}:key:IDEMPOTENCY-KEY` | string | the append's | `ID DURABILITY FINGERPRINT INSTANCE` of the first append with that key; `ID/AT` if the message has `at` |
//! | `PREFIX:{t:TOPIC}:fence` | hash | none; deleted with the stream | `run`, the beginning of the `run_id` of the server; `after` and `before`, the ids between which the stream had no entry when that run began; `born`, the id before which the topic has given none; `kept`, the last entry that was stored with an idempotency key; `begun`, how many scripts began to change consumers, `base`, how many had when that run began, and `done`, how many ended since then |
//! | `PREFIX:{t:TOPIC}:consumers` | set | none | the consumers of the topic: `KIND:NAME`, where `KIND` is `consumer` or `webhook` |
//! | `PREFIX:{t:TOPIC}:KIND:NAME` | hash | none | a consumer, see below |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:EPOCH:entries` | hash | none | by id: `STATE TIME ATTEMPT NONCE FLAGS REASON` of a message that was handed out or redriven and is not settled |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:EPOCH:leased` | sorted set | none | the ids of leased entries by the end of their leases |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:EPOCH:due` | sorted set | none | the ids of waiting entries by their due times |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:EPOCH:waiting`, `…:redriven` | sorted set, all scores 0 | none | the ids of waiting entries by id: those of messages of the topic, those of redriven copies |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:dead` | sorted set, all scores 0 | none | the ids of dead letters |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:deaths` | hash | none | by id: `ATTEMPTS TIME REASON` of a dead letter |
//! | `PREFIX:{t:TOPIC}:KIND:NAME:letters` | hash | none | by id: the fields of a dead letter or of a redriven copy, packed by `cmsgpack` |
//! | `PREFIX:{t:TOPIC}:webhook:NAME:attempts` | list | none | the last 100 attempts of a webhook, the newest first: `ID ATTEMPT TIME STATUS MILLISECONDS ERROR`; `STATUS` is 0 without a response, `ERROR` begins with `+`, or is `-` |
//! | `PREFIX:consumer-topics` | sorted set, all scores 0 | none | the names of the topics that can have consumers |
//! | `PREFIX:topics` | sorted set, all scores 0 | none | the names of the topics that can hold messages |
//! | `PREFIX:seen` | string | none | the last time that a process has trusted, in milliseconds |
//! | `PREFIX:quota:{CLIENT}:SCOPE:fixed` | hash | the end of its last window | for each window, by its length in seconds, its beginning and its number of requests |
//! | `PREFIX:quota:{CLIENT}:SCOPE:moving` | sorted set | the longest window | the allowed requests, each by its microsecond |
//! | `PREFIX:denied:JTI` | string | until the token expires | the token with this id is revoked |
//! | `PREFIX:{NUMBER}:probe` | – | – | never exists: health checks attempt writes that require it; `NUMBER` is 0, and on a cluster one for each primary |
//! | `PREFIX:{t:TOPIC}:mark`, `PREFIX:{NUMBER}:mark` | string | 1 s | `1`: the write that `WAIT` waits for if the others of its pipeline may change nothing |
//! | `PREFIX:wake` | channel | – | the names of topics with new messages, one per line; `TOPIC/KIND:NAME` of a consumer with something to hand out |
//! | `PREFIX:wake:webhooks` | channel | – | nothing: a webhook was created, changed, enabled, disabled or deleted |
//!
//! An emptied stream is kept for a day, because it remembers the greatest id that it assigned: `XADD`
//! continues from there even if the clock of the server goes back. After a day without a new message,
//! when the clock is far beyond its ids, pruning deletes it. It has no TTL, which a new message would
//! not cancel.
//!
//! A consumer's hash has its settings (`tag`, `lease`, `max_attempts`, `backoff`, `max_in_flight`; times in
//! milliseconds), its `epoch`, which a seek increments, its `cursor`, `behind`, the number of messages
//! that the topic holds up to the cursor, `born`, the time of its creation in microseconds, `missed`, `dropped`, the number of dead letters removed because
//! there were too many, `pulled`, the time of the last pull or -1, and after a seek `stale`, the epoch
//! whose keys the next call deletes. Ids in these keys have leading zeros: 15 digits, `-`, 20 digits. An
//! entry's `STATE` is `l` (leased until `TIME`) or `w` (due at `TIME`), its `FLAGS` are `c` (a redriven
//! copy), `d` (deleted by a client during the lease) or `-`, and `REASON` begins with `+`, or is `-`.
//!
//! The hash of a webhook also has its record (`url`, `timeout` in milliseconds, `rate` in thousandths of
//! an attempt in a second or 0, `format`, and `sealed`, its encrypted secret and headers in base64), and
//! its health: `disabled` (why it delivers nothing), `last_success_at`, `last_failure_at`,
//! `failing_since`, `last_failed` (1 or 0) and `last_error`.

use posthorn_application::QuotaKey;
use posthorn_domain::{ConsumerKey, ConsumerKind, ConsumerName, IdempotencyKey, TokenId, Topic};

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

/// The channel of topics and consumers with something new.
pub(crate) fn wake(prefix: &str) -> String {
    format!("{prefix}:wake")
}

/// The channel of changes of the set of webhooks. Its name is that of [`wake`] and an end, as scripts make it.
pub(crate) fn wake_webhooks(prefix: &str) -> String {
    format!("{prefix}:wake:webhooks")
}

/// The last trusted time.
pub(crate) fn seen(prefix: &str) -> String {
    format!("{prefix}:seen")
}

/// The identity of the store's data.
pub(crate) fn identity(prefix: &str) -> String {
    format!("{prefix}:identity")
}

/// The slot of a key.
pub(crate) fn slot(key: &str) -> u16 {
    slot_of(key)
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

/// The beginning of every key of `topic`. With the [`consumer_name`] it is the key of a consumer.
pub(crate) fn topic_prefix(prefix: &str, topic: &Topic) -> String {
    format!("{prefix}:{{t:{topic}}}:")
}

/// The mark of writes to `topic`.
pub(crate) fn mark(prefix: &str, topic: &Topic) -> String {
    topic_prefix(prefix, topic) + "mark"
}

/// The set of consumers of `topic`.
pub(crate) fn consumers(prefix: &str, topic: &Topic) -> String {
    topic_prefix(prefix, topic) + "consumers"
}

/// The name of a consumer in the set of consumers and in its keys.
pub(crate) fn consumer_name(key: &ConsumerKey) -> String {
    format!("{}:{}", key.kind.as_str(), key.name)
}

/// The hash of a consumer.
pub(crate) fn consumer(prefix: &str, key: &ConsumerKey) -> String {
    topic_prefix(prefix, &key.topic) + &consumer_name(key)
}

/// The consumer that is announced as `TOPIC/KIND:NAME`.
pub(crate) fn announced_consumer(text: &str) -> Option<ConsumerKey> {
    let (topic, name) = text.split_once('/')?;
    let (kind, name) = name.split_once(':')?;
    let kinds = [ConsumerKind::Consumer, ConsumerKind::Webhook];
    Some(ConsumerKey {
        topic: Topic::parse(topic).ok()?,
        kind: kinds.into_iter().find(|known| known.as_str() == kind)?,
        name: ConsumerName::parse(name).ok()?,
    })
}

/// The index of topics with consumers.
pub(crate) fn consumer_topics(prefix: &str) -> String {
    format!("{prefix}:consumer-topics")
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

/// The mark of writes to the node that `tag` selects.
pub(crate) fn node_mark(prefix: &str, tag: u32) -> String {
    format!("{prefix}:{{{tag}}}:mark")
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
            consumers("p", &topic),
            mark("p", &topic),
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
