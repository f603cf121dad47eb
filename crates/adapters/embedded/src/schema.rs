//! The tables, and the migrations that create them.
//!
//! | table | a row is | columns |
//! | --- | --- | --- |
//! | `topics` | a topic | `name`; `message_count`, the number of its messages; `last_ms`, the time of its last message; `pruned_ms`, `pruned_seq`, the id of the newest message that retention removed, or zeros |
//! | `messages` | a message | `topic_id`; its id as `ms`, milliseconds since the Unix epoch, and `seq`; `content`; `attributes`, a JSON object or `NULL`; `stored_ms`, the time when it was stored if that is before `ms`, or `NULL`; `checksum`, CRC-32 of the message, or `NULL` if an earlier version stored it; `traceparent` of the sender, or `NULL` |
//! | `idempotency_keys` | an idempotency key | `topic_id`, `key`; `fingerprint`, SHA-256 of the message; `ms`, `seq`, `durability`, `pod` of the first receipt; `expires_ms`; `stored_ms` as in `messages` |
//! | `denied_tokens` | a revoked token | `jti`, its id; `until_ms`, the time from which it is expired anyway |
//! | `consumers` | a consumer | `topic_id`, `kind`, `name`; `tag`, the version of its settings; `lease_ms`, `max_attempts`, `backoff_ms` (separated by commas), `max_in_flight`; `cursor_ms`, `cursor_seq`: later messages are new; `behind`, the number of messages of the topic up to the cursor; `leased`, `waiting`, `copies`, the numbers of its deliveries with a lease, without one, with a copy; `dead`, the number of its dead letters; `missed`, `dead_dropped`; `last_pull_ms` |
//! | `deliveries` | a message that was handed out or redriven and is not settled | `consumer_id`; the id as `ms`, `seq`; `nonce`, the random bits of the lease, or `NULL`; `attempt`, of the lease or the next one; `due_ms`, the end of the lease or the time from which it is due; `fate`, 1 if retention and 2 if a client removed the leased message, else 0; `reason` of the last failure; `content`, `attributes`, `stored_ms`, `checksum`, `traceparent`, a copy if it was redriven |
//! | `dead_letters` | a dead letter | `consumer_id`; `ms`, `seq`, `content`, `attributes`, `stored_ms`, `checksum`, `traceparent` as in `messages`; `attempts`, `reason`, `died_ms` |
//! | `webhooks` | a consumer that is a webhook | `consumer_id`; `url`, `timeout_ms`, `rate` (thousandths of an attempt in a second), `format`; `sealed`, its encrypted secret and headers; `disabled`, why it delivers nothing, or `NULL`; `last_success_ms`, `last_failure_ms`, `failing_since_ms`, `last_failed`, `last_error` as its attempts show; `recorded`, the number of its attempts so far |
//! | `webhook_attempts` | one of the last 100 attempts of a webhook | `consumer_id`; `slot`, the remainder of `number`, which counts its attempts; the id of the message as `ms`, `seq`; `attempt`; `at_ms`; `status` of the response; `took_ms`; `error` |
//! | `starts` | one of the last 100 starts of the store that gave ids | `ms`, the time of the first id; `seq`, the number before it |
//! | `counters` | a number | `last_ms` and `last_seq`, the greatest id ever assigned; `forgotten_ms` and `forgotten_seq`, the newest message that retention removed from a topic without a row; `seen_ms`, the last time that the store has trusted; `consumer_id`, the greatest that was given to a consumer; `identity`, random since the file was made; `clean`, 1 after an orderly stop |
//!
//! Ids are ULIDs of `ms` and `seq`. The newest messages of a topic, in the shell:
//!
//! ```sql
//! SELECT datetime(ms / 1000, 'unixepoch'), content FROM messages
//! JOIN topics USING (topic_id) WHERE name = 'inbox' ORDER BY ms DESC, seq DESC LIMIT 10;
//! ```

use rusqlite::{Connection, TransactionBehavior};

/// The `application_id` of a file of Posthorn: `PsHn` in ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x5073_486e;

/// The migrations from an empty file; the file's `user_version` is the number of those applied. A
/// released migration is never changed: a new one follows it.
pub(crate) const STEPS: &[&str] = &[
    "
CREATE TABLE topics (
    topic_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    message_count INTEGER NOT NULL DEFAULT 0,
    last_ms INTEGER NOT NULL DEFAULT 0,
    pruned_ms INTEGER NOT NULL DEFAULT 0,
    pruned_seq INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX empty_topics ON topics (last_ms) WHERE message_count = 0;
CREATE TABLE messages (
    topic_id INTEGER NOT NULL REFERENCES topics,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    content TEXT NOT NULL,
    attributes TEXT,
    PRIMARY KEY (topic_id, ms, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency_keys (
    topic_id INTEGER NOT NULL REFERENCES topics,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    durability TEXT NOT NULL,
    pod TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY (topic_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_ms);
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES
    ('last_ms', 0), ('last_seq', 0), ('forgotten_ms', 0), ('forgotten_seq', 0), ('clean', 1);
",
    "
CREATE TABLE denied_tokens (
    jti TEXT PRIMARY KEY,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX denied_tokens_by_end ON denied_tokens (until_ms);
",
    "
CREATE TABLE consumers (
    consumer_id INTEGER PRIMARY KEY,
    topic_id INTEGER NOT NULL REFERENCES topics,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    lease_ms INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    backoff_ms TEXT NOT NULL,
    max_in_flight INTEGER NOT NULL,
    cursor_ms INTEGER NOT NULL,
    cursor_seq INTEGER NOT NULL,
    behind INTEGER NOT NULL,
    leased INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    copies INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    dead_dropped INTEGER NOT NULL DEFAULT 0,
    last_pull_ms INTEGER,
    UNIQUE (topic_id, kind, name)
) STRICT;
CREATE TABLE deliveries (
    consumer_id INTEGER NOT NULL REFERENCES consumers,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    nonce INTEGER,
    attempt INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    fate INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    content TEXT,
    attributes TEXT,
    PRIMARY KEY (consumer_id, ms, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_lease ON deliveries (consumer_id, due_ms, ms, seq)
    WHERE nonce IS NOT NULL;
CREATE INDEX deliveries_by_due ON deliveries (consumer_id, due_ms, ms, seq) WHERE nonce IS NULL;
CREATE INDEX deliveries_waiting ON deliveries (consumer_id, ms, seq) WHERE nonce IS NULL;
CREATE TABLE dead_letters (
    consumer_id INTEGER NOT NULL REFERENCES consumers,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    content TEXT NOT NULL,
    attributes TEXT,
    attempts INTEGER NOT NULL,
    reason TEXT,
    died_ms INTEGER NOT NULL,
    PRIMARY KEY (consumer_id, ms, seq)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE webhooks (
    consumer_id INTEGER PRIMARY KEY REFERENCES consumers,
    url TEXT NOT NULL,
    timeout_ms INTEGER NOT NULL,
    rate INTEGER,
    format TEXT NOT NULL,
    sealed BLOB NOT NULL,
    disabled TEXT,
    last_success_ms INTEGER,
    last_failure_ms INTEGER,
    failing_since_ms INTEGER,
    last_failed INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    recorded INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE webhook_attempts (
    consumer_id INTEGER NOT NULL REFERENCES webhooks,
    slot INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    status INTEGER,
    took_ms INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (consumer_id, slot)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE messages ADD COLUMN stored_ms INTEGER;
CREATE INDEX messages_redated ON messages (topic_id, stored_ms) WHERE stored_ms IS NOT NULL;
ALTER TABLE idempotency_keys ADD COLUMN stored_ms INTEGER;
ALTER TABLE deliveries ADD COLUMN stored_ms INTEGER;
ALTER TABLE dead_letters ADD COLUMN stored_ms INTEGER;
INSERT INTO counters VALUES ('seen_ms', 0);
",
    "
ALTER TABLE messages ADD COLUMN checksum INTEGER;
ALTER TABLE deliveries ADD COLUMN checksum INTEGER;
ALTER TABLE dead_letters ADD COLUMN checksum INTEGER;
ALTER TABLE messages ADD COLUMN traceparent TEXT;
ALTER TABLE deliveries ADD COLUMN traceparent TEXT;
ALTER TABLE dead_letters ADD COLUMN traceparent TEXT;
CREATE TABLE starts (
    seq INTEGER PRIMARY KEY,
    ms INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES ('identity', random());
CREATE INDEX held_topics ON topics (topic_id) WHERE message_count > 0;
",
    // Each change of a topic's count deleted its entry and inserted it again.
    "
DROP INDEX held_topics;
",
];

/// The file was written by a later version of Posthorn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooNew {
    pub(crate) found: i64,
}

/// Creates the tables in an empty file, for benchmarks of the engine alone.
pub fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    migrate(connection).map(|_| ())
}

/// Applies the missing migrations, each in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<Result<(), TooNew>> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = usize::try_from(found)
        .ok()
        .and_then(|applied| STEPS.get(applied..))
    else {
        return Ok(Err(TooNew { found }));
    };
    for (version, step) in (found + 1..).zip(missing) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_migrates_to_the_newest_schema() {
        for applied in 0..=STEPS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            for step in &STEPS[..applied] {
                connection.execute_batch(step).unwrap();
            }
            connection
                .pragma_update(None, "user_version", i64::try_from(applied).unwrap())
                .unwrap();
            migrate(&mut connection).unwrap().unwrap();
            let clean: i64 = connection
                .query_row(
                    "SELECT value FROM counters WHERE name = 'clean'",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(clean, 1);
            // A second call changes nothing.
            migrate(&mut connection).unwrap().unwrap();
        }
    }

    #[test]
    fn a_file_of_a_later_version_is_rejected() {
        let mut connection = Connection::open_in_memory().unwrap();
        for version in [999, -1] {
            connection
                .pragma_update(None, "user_version", version)
                .unwrap();
            assert_eq!(
                migrate(&mut connection).unwrap(),
                Err(TooNew { found: version })
            );
        }
    }
}
