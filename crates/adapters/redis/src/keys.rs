//! Every key in Redis, its type and its TTL.
//!
//! `PREFIX` is the configured prefix, `posthorn` by default. What stands in braces is the hash tag
//! (Redis Cluster specification, "Hash tags"), so that all keys of one topic share a slot.
//!
//! | key | type | TTL | holds |
//! | --- | --- | --- | --- |
//! | `PREFIX:cache:KEY` | string | the caller's | a cached value |
//! | `PREFIX:{t:TOPIC}:messages` | stream | none | the messages; the entry's id is the message's; field `content`, then `a:NAME` for each attribute |
//! | `PREFIX:{t:TOPIC}:pruned` | string | none | the id of the newest message that retention removed |
//! | `PREFIX:{t:TOPIC}:key:IDEMPOTENCY-KEY` | string | the append's | `ID DURABILITY FINGERPRINT POD` of the first append with that key |
//! | `PREFIX:topics` | sorted set, all scores 0 | none | the names of the topics that may hold messages |
//! | `PREFIX:wake` | channel | – | what was appended: `TOPIC ID`, one pair a line |
//!
//! An emptied stream stays, because it remembers the greatest id ever given; `XADD` continues from
//! there even when the server's clock went back.

/// The longest TTL asked of Redis: 100 years in milliseconds, far from its overflow.
pub(crate) const MAX_TTL_MILLIS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// The cached value called `key`.
pub(crate) fn cache(prefix: &str, key: &str) -> String {
    format!("{prefix}:cache:{key}")
}
