//! The file: full disks, damage, crashes, foreign files.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod backup;
mod damage;
mod damaged_consumers;
mod full_disk;
mod ownership;
mod previous_release;
mod retention;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    Anchor, AppendError, Clock, MessageStore, PageLimit, PageRequest, RetentionPolicy, StoreError,
};
use posthorn_domain::{Durability, MessageId, Timestamp, Topic};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings, OpenError};
use posthorn_testkit::samples::{append, keyed_append};
use posthorn_testkit::{FakeClock, samples};
use rusqlite::Connection;
use tempfile::TempDir;

fn settings(directory: &TempDir) -> EmbeddedStoreSettings {
    EmbeddedStoreSettings::new(directory.path().join("sub").join("posthorn.db"))
}

fn open(settings: &EmbeddedStoreSettings) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(settings, Arc::new(FakeClock::new()) as Arc<dyn Clock>)
}

/// The error of `open`.
fn open_error(settings: &EmbeddedStoreSettings) -> OpenError {
    match open(settings) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

async fn texts(store: &EmbeddedStore) -> Vec<String> {
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::MAX,
    };
    let page = store.page(&Topic::inbox(), request).await.unwrap();
    page.messages
        .iter()
        .map(|message| message.content.as_str().to_owned())
        .collect()
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_in_order() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    store.append(append(&Topic::inbox(), "text")).await.unwrap();
    assert_eq!(clean_mark(&settings.path), 0);
    store.close().await;
    assert_eq!(clean_mark(&settings.path), 1);
    let wal = PathBuf::from(format!("{}-wal", settings.path.display()));
    assert!(!wal.exists() || wal.metadata().unwrap().len() == 0);
}

fn clean_mark(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    let clean = "SELECT value FROM counters WHERE name = 'clean'";
    connection.query_row(clean, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_full_disk_is_reported_loses_nothing_and_recovers() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        max_bytes: Some(64 * 4096),
        ..settings(&directory)
    };
    let store = open(&settings).unwrap();
    let text = "x".repeat(1000);
    let mut stored = 0_usize;
    let error = loop {
        match store.append(append(&Topic::inbox(), &text)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000, "the disk is never full");
    };
    assert!(
        matches!(error, AppendError::Store(StoreError::Full(_))),
        "{error}"
    );
    assert!(matches!(store.health().await, Err(StoreError::Full(_))));
    assert_eq!(
        texts(&store).await.len(),
        stored.min(200),
        "nothing is half written"
    );
    // Other commands of the same batch succeed, and space makes the store work again.
    let policy = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 1,
    };
    while store.prune(&policy, 1000).await.unwrap().more {}
    assert_eq!(store.health().await, Ok(()));
    store.append(append(&Topic::inbox(), &text)).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_an_empty_store_could_not_hold_is_too_large() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        max_bytes: Some(64 * 4096),
        ..settings(&directory)
    };
    let store = open(&settings).unwrap();
    let text = "x".repeat(1000);
    let batch = samples::batch(&Topic::inbox(), &[text.as_str(); 300]);
    assert_eq!(store.append_batch(batch).await, Err(AppendError::TooLarge));
    assert_eq!(store.health().await, Ok(()));
    let batch = samples::batch(&Topic::inbox(), &[text.as_str(); 1]);
    assert!(store.append_batch(batch).await.is_ok());
}

#[tokio::test]
async fn a_store_has_a_reserve_of_space_which_may_be_missing() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let reserve = PathBuf::from(format!("{}.reserve", settings.path.display()));
    for partial in [None, Some(""), Some("part")] {
        match partial {
            None => drop(std::fs::remove_file(&reserve)),
            Some(content) => std::fs::write(&reserve, content).unwrap(),
        }
        open(&settings).unwrap().close().await;
        let length = reserve.metadata().unwrap().len();
        assert!(length.abs_diff(512 * 1024) < 4096, "{length}");
    }
}

#[tokio::test]
async fn a_blocked_writer_is_unhealthy() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        timeout: Duration::from_millis(200),
        ..settings(&directory)
    };
    let store = open(&settings).unwrap();
    let shell = Connection::open(&settings.path).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer waits for the lock with the first append; the others wait for the writer.
    let late = (0..10).map(|_| store.append(append(&Topic::inbox(), "late")));
    for error in futures_util::future::join_all(late).await {
        assert!(
            matches!(error, Err(AppendError::Store(StoreError::Unavailable(_)))),
            "{error:?}"
        );
    }
    for _ in 0..3 {
        let health = store.health().await;
        assert!(
            matches!(health, Err(StoreError::Unavailable(_))),
            "{health:?}"
        );
    }
    shell.execute_batch("ROLLBACK").unwrap();
    posthorn_testkit::eventually(Duration::from_mins(1), async || {
        store.health().await.is_ok()
    })
    .await;
    store
        .append(append(&Topic::inbox(), "in time"))
        .await
        .unwrap();
    assert_eq!(
        texts(&store).await,
        ["in time"],
        "who was told that it failed may have sent it again"
    );
}

#[tokio::test]
async fn a_damaged_file_is_rejected_after_a_crash() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    for number in 0..200 {
        store
            .append(append(
                &Topic::inbox(),
                &format!("{number} {}", "x".repeat(900)),
            ))
            .await
            .unwrap();
    }
    store.close().await;
    let connection = Connection::open(&settings.path).unwrap();
    connection
        .execute("UPDATE counters SET value = 0 WHERE name = 'clean'", [])
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&settings.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    std::fs::write(&settings.path, bytes).unwrap();
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_foreign_file_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    std::fs::create_dir_all(settings.path.parent().unwrap()).unwrap();
    std::fs::write(
        &settings.path,
        "this is a letter, not a database, and it is long enough".repeat(100),
    )
    .unwrap();
    assert!(matches!(open_error(&settings), OpenError::Damaged { .. }));
    std::fs::remove_file(&settings.path).unwrap();
    let connection = Connection::open(&settings.path).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(connection);
    assert!(matches!(open_error(&settings), OpenError::Foreign(_)));
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    drop(open(&settings).unwrap());
    wait_until_released(&settings);
    let connection = Connection::open(&settings.path).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    let error = open_error(&settings);
    assert!(
        matches!(error, OpenError::TooNew { found: 999, .. }),
        "{error}"
    );
}

/// Waits for the threads of a store that was dropped, not closed.
fn wait_until_released(settings: &EmbeddedStoreSettings) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(posthorn_testkit::eventually(
        Duration::from_secs(5),
        async || match open(settings) {
            Ok(store) => {
                store.close().await;
                true
            }
            Err(OpenError::Locked(_)) => false,
            Err(error) => panic!("{error}"),
        },
    ));
}

#[test]
fn an_unwritable_file_and_an_unreachable_durability_are_rejected() {
    let settings = EmbeddedStoreSettings::new(PathBuf::from("/proc/posthorn/posthorn.db"));
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        durability: Durability::Replicated,
        ..EmbeddedStoreSettings::new(directory.path().join("posthorn.db"))
    };
    assert!(matches!(open_error(&settings), OpenError::Durability));
}

#[tokio::test]
async fn ids_keep_growing_when_the_clock_goes_back_over_a_restart_of_an_emptied_store() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let first = store
        .append(append(&Topic::inbox(), "a"))
        .await
        .unwrap()
        .receipt
        .id;
    assert!(store.delete(&Topic::inbox(), first).await.unwrap());
    store.close().await;
    let clock = Arc::new(FakeClock::new());
    clock.set_now(Timestamp::from_millis(1));
    let store = EmbeddedStore::open(&settings, clock as Arc<dyn Clock>).unwrap();
    let second = store
        .append(append(&Topic::inbox(), "b"))
        .await
        .unwrap()
        .receipt
        .id;
    assert!(second > first, "{second} after {first}");
}

#[tokio::test]
async fn a_failing_command_does_not_fail_its_batch() {
    let directory = TempDir::new().unwrap();
    let store = open(&settings(&directory)).unwrap();
    // An unreadable record fails the append with its key, and no other.
    let ttl = Duration::from_hours(1);
    store
        .append(keyed_append(&Topic::inbox(), "a", "bad", ttl))
        .await
        .unwrap();
    let shell = Connection::open(directory.path().join("sub").join("posthorn.db")).unwrap();
    shell
        .execute("UPDATE idempotency_keys SET durability = 'nonsense'", [])
        .unwrap();
    let appends = (0..50).map(|number| {
        let key = if number == 25 {
            "bad".to_owned()
        } else {
            format!("good-{number}")
        };
        store.append(keyed_append(&Topic::inbox(), "a", &key, ttl))
    });
    let outcomes = futures_util::future::join_all(appends).await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(failed, 1);
    assert!(matches!(
        outcomes[25],
        Err(AppendError::Store(StoreError::Corrupt(_)))
    ));
    assert_eq!(texts(&store).await.len(), 50);
    assert_eq!(store.get(&Topic::inbox(), MessageId::MIN).await, Ok(None));
}

#[tokio::test]
async fn a_message_to_one_topic_too_many_is_rejected() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings {
        max_topics: 3,
        ..settings(&directory)
    };
    let store = open(&settings).unwrap();
    posthorn_testkit::store_contract::caps::topics_are_capped(&store, 3).await;
    store.close().await;
    // The topics of the file count, and an emptied one does not.
    let store = open(&settings).unwrap();
    let other = Topic::parse("other").unwrap();
    let rejected = store.append(append(&other, "text")).await;
    assert_eq!(rejected, Err(AppendError::TooManyTopics));
    let request = PageRequest {
        anchor: Anchor::Oldest,
        limit: PageLimit::MAX,
    };
    let emptied = Topic::parse("t1").unwrap();
    let page = store.page(&emptied, request).await.unwrap();
    assert_eq!(store.delete(&emptied, page.messages[0].id).await, Ok(true));
    store.append(append(&other, "text")).await.unwrap();
    // It does not count again as long as there is no room, although the file still has its row.
    let rejected = store.append(append(&emptied, "text")).await;
    assert_eq!(rejected, Err(AppendError::TooManyTopics));
}

#[tokio::test]
async fn a_retry_is_answered_where_its_topic_has_no_place() {
    let directory = TempDir::new().unwrap();
    let store = open(&EmbeddedStoreSettings {
        max_topics: 3,
        ..settings(&directory)
    });
    let store = store.unwrap();
    let forget = async |_: &Topic| {};
    posthorn_testkit::store_contract::caps::a_retry_is_answered_where_its_topic_has_no_place(
        &store, &store, 3, forget,
    )
    .await;
}

#[tokio::test]
async fn a_consumer_of_one_topic_too_many_is_rejected() {
    let directory = TempDir::new().unwrap();
    let store = open(&EmbeddedStoreSettings {
        max_topics: 3,
        ..settings(&directory)
    });
    posthorn_testkit::webhook_contract::caps::topics_with_consumers_are_capped(&store.unwrap(), 3)
        .await;
}
