//! What pruning removes besides messages, and what it gives back.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Clock, DenyList, MessageStore, RetentionPolicy};
use posthorn_domain::{Durability, TokenId, Topic};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_testkit::FakeClock;
use posthorn_testkit::samples::{append, keyed_append};
use rusqlite::Connection;
use tempfile::TempDir;

use super::settings;

const POLICY: RetentionPolicy = RetentionPolicy {
    max_age: Duration::from_hours(24),
    max_count: 1000,
};

fn count(shell: &Connection, table: &str) -> u32 {
    let count = format!("SELECT count(*) FROM {table}");
    shell.query_row(&count, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn one_round_forgets_every_key_and_revocation_that_ended() {
    let (directory, clock) = (TempDir::new().unwrap(), Arc::new(FakeClock::new()));
    let settings = settings(&directory);
    let store = EmbeddedStore::open(&settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let minute = Duration::from_mins(1);
    for number in 0..35 {
        let key = format!("key-{number}");
        store
            .append(keyed_append(&Topic::inbox(), "text", &key, minute))
            .await
            .unwrap();
        let id = TokenId::parse(&key).unwrap();
        let until = clock.now().saturating_add(minute);
        store.deny(&id, until).await.unwrap();
    }
    let shell = Connection::open(&settings.path).unwrap();
    clock.advance(minute);
    let mut steps = 1;
    while store.prune(&POLICY, 10).await.unwrap().more {
        steps += 1;
    }
    assert_eq!(steps, 4, "no step does more than its budget");
    for table in ["idempotency_keys", "denied_tokens"] {
        assert_eq!(count(&shell, table), 0, "{table}");
    }
    assert_eq!(count(&shell, "messages"), 35);
}

#[tokio::test]
async fn one_round_forgets_every_empty_topic_beyond_those_that_are_remembered() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = super::open(&settings).unwrap();
    let shell = Connection::open(&settings.path).unwrap();
    let empty = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL \
                 SELECT n + 1 FROM numbers WHERE n < 11000) \
                 INSERT INTO topics (name) SELECT 'topic-' || n FROM numbers";
    shell.execute(empty, []).unwrap();
    while store.prune(&POLICY, 1000).await.unwrap().more {}
    assert_eq!(count(&shell, "topics"), 10_000);
}

#[tokio::test]
async fn what_pruning_freed_goes_back_to_the_system_in_steps() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        durability: Durability::Memory,
        ..settings(&directory)
    };
    let store = super::open(&settings).unwrap();
    let text = "x".repeat(1000);
    for _ in 0..3000 {
        store.append(append(&Topic::inbox(), &text)).await.unwrap();
    }
    let shell = Connection::open(&settings.path).unwrap();
    let pages = |pragma| -> i64 {
        shell
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    let full = pages("page_count");
    let policy = RetentionPolicy {
        max_count: 1,
        ..POLICY
    };
    while store.prune(&policy, 2000).await.unwrap().more {}
    let free = pages("freelist_count");
    assert!(free > 256, "{free} pages are free");
    store.prune(&policy, 2000).await.unwrap();
    assert_eq!(pages("freelist_count"), free - 256);
    for _ in 0..=free / 256 {
        store.prune(&policy, 2000).await.unwrap();
    }
    assert_eq!(pages("freelist_count"), 0);
    assert!(pages("page_count") < full / 20, "of {full}");
}
