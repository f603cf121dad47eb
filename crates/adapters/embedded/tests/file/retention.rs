//! Pruning of keys, revocations, topics and pages.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, Clock, MessageStore, Page, PageLimit, PageRequest, RetentionPolicy, RevocationList,
};
use posthorn_domain::{Durability, MessageId, Timestamp, TokenId, Topic};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings};
use posthorn_testkit::FakeClock;
use posthorn_testkit::samples::{append, keyed_append, topic};
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
async fn one_round_deletes_every_expired_key_and_revocation() {
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
        store.revoke(&id, until).await.unwrap();
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
async fn one_round_deletes_every_empty_topic_beyond_the_bound() {
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
async fn a_topic_without_a_row_has_the_watermark_of_deleted_topics() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = super::open(&settings).unwrap();
    let shell = Connection::open(&settings.path).unwrap();
    let never = topic("never");
    let page = async |anchor| {
        let limit = PageLimit::MAX;
        let request = PageRequest { anchor, limit };
        store.page(&never, request).await.unwrap()
    };
    assert_eq!(page(Anchor::Newest).await, Page::default());
    let empty = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL \
                 SELECT n + 1 FROM numbers WHERE n < 10001) \
                 INSERT INTO topics (name, last_ms, pruned_ms, pruned_seq) \
                 SELECT 'topic-' || n, n, n, n FROM numbers";
    shell.execute(empty, []).unwrap();
    while store.prune(&POLICY, 1000).await.unwrap().more {}
    let mark = MessageId::new(Timestamp::from_millis(1), 1);
    let nothing = Page {
        pruned: Some(mark),
        ..Page::default()
    };
    assert_eq!(page(Anchor::Newest).await, nothing);
    assert_eq!(page(Anchor::After(mark)).await, nothing);
    assert!(page(Anchor::After(MessageId::MIN)).await.truncated);
    let id = store.append(append(&never, "text")).await.unwrap();
    let id = id.receipt.id;
    assert!(id > mark);
    let found = page(Anchor::After(mark)).await;
    assert_eq!((found.messages[0].id, found.truncated), (id, false));
}

#[tokio::test]
async fn freed_pages_return_to_the_file_system_in_steps() {
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

#[tokio::test]
async fn a_topic_that_is_deleted_and_appended_to_in_one_batch_stays_separate() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = super::open(&settings).unwrap();
    let shell = Connection::open(&settings.path).unwrap();
    store
        .append(append(&Topic::inbox(), "zeroth"))
        .await
        .unwrap();
    // More recent than the topic to be deleted, whose key is the greatest.
    let empty = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL \
                 SELECT n + 1 FROM numbers WHERE n < 10000) \
                 INSERT INTO topics (name, last_ms) SELECT 'topic-' || n, 1 << 60 FROM numbers";
    shell.execute(empty, []).unwrap();
    let (known, new) = (topic("known"), topic("new"));
    let first = store.append(append(&known, "first")).await.unwrap();
    assert!(store.delete(&known, first.receipt.id).await.unwrap());
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let group = async {
        tokio::join!(
            store.prune(&POLICY, 1000),
            store.append(append(&new, "new")),
            store.append(append(&known, "known")),
        )
    };
    // While the first command waits for the shell, the others become one batch.
    let first = store.append(append(&Topic::inbox(), "first"));
    let (first, (pruned, one, other), ()) = tokio::join!(first, group, async {
        shell.execute_batch("ROLLBACK").unwrap();
    });
    first.unwrap();
    pruned.unwrap();
    for (topic, appended) in [(new, one), (known, other)] {
        let id = appended.unwrap().receipt.id;
        let message = store.get(&topic, id).await.unwrap();
        assert_eq!(message.unwrap().content.as_str(), topic.as_str());
    }
}
