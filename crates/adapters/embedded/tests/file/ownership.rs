//! One process owns the file, under any of its names, while the names exist.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{Clock, MessageStore, StoreError};
use posthorn_domain::{Timestamp, Topic};
use posthorn_embedded::{EmbeddedStore, EmbeddedStoreSettings, OpenError};
use posthorn_testkit::FakeClock;
use posthorn_testkit::samples::append;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{clean_mark, open, open_error, settings, texts};

/// The settings of another file in the same directory.
fn beside(settings: &EmbeddedStoreSettings, name: &str) -> EmbeddedStoreSettings {
    EmbeddedStoreSettings::new(settings.path.with_file_name(name))
}

/// The path of the file with `ending` appended.
fn with_ending(settings: &EmbeddedStoreSettings, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", settings.path.display()))
}

#[tokio::test]
async fn new_files_are_private_and_existing_files_keep_their_mode() {
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    store.append(append(&Topic::inbox(), "text")).await.unwrap();
    assert_eq!(mode(settings.path.parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm", ".lock"] {
        let found = mode(&with_ending(&settings, ending));
        assert_eq!(found, 0o600, "{ending}: {found:o}");
    }
    store.close().await;
    std::fs::set_permissions(&settings.path, Permissions::from_mode(0o640)).unwrap();
    let store = open(&settings).unwrap();
    assert_eq!(mode(&settings.path), 0o640);
    assert_eq!(mode(&with_ending(&settings, "-wal")), 0o640);
    store.close().await;
}

#[tokio::test]
async fn a_second_process_is_rejected_and_the_shell_is_not() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    store.append(append(&Topic::inbox(), "text")).await.unwrap();
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert!(
        error.to_string().contains("posthorn.db is in use"),
        "{error}"
    );
    let shell = Connection::open(&settings.path).unwrap();
    let content: String = shell
        .query_row(
            "SELECT content FROM messages JOIN topics USING (topic_id) WHERE name = 'inbox'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(content, "text");
    drop(shell);
    store.close().await;
    open(&settings).unwrap().close().await;
}

#[tokio::test]
async fn a_symbolic_link_leads_to_the_same_lock() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let link = beside(&settings, "link.db");
    std::os::unix::fs::symlink("posthorn.db", &link.path).unwrap();
    let error = open_error(&link);
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    let directory_link = directory.path().join("other");
    std::os::unix::fs::symlink(settings.path.parent().unwrap(), &directory_link).unwrap();
    let through = EmbeddedStoreSettings::new(directory_link.join("posthorn.db"));
    let error = open_error(&through);
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    store.append(append(&Topic::inbox(), "text")).await.unwrap();
    store.close().await;
    let store = open(&link).unwrap();
    assert_eq!(texts(&store).await, ["text"]);
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    store.close().await;
}

#[test]
fn a_dangling_link_is_rejected() {
    let directory = TempDir::new().unwrap();
    let settings = EmbeddedStoreSettings::new(directory.path().join("link.db"));
    std::os::unix::fs::symlink("nowhere.db", &settings.path).unwrap();
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("leads nowhere"), "{error}");
    assert!(!directory.path().join("nowhere.db").exists());
}

#[tokio::test]
async fn a_file_with_two_names_is_rejected_under_both() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let second = beside(&settings, "second.db");
    std::fs::hard_link(&settings.path, &second.path).unwrap();
    let error = open_error(&second);
    assert!(matches!(error, OpenError::HardLinked(_)), "{error}");
    // A process that has it open continues.
    store.append(append(&Topic::inbox(), "text")).await.unwrap();
    store.close().await;
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::HardLinked(_)), "{error}");
    std::fs::remove_file(&second.path).unwrap();
    let store = open(&settings).unwrap();
    assert_eq!(texts(&store).await, ["text"]);
    store.close().await;
}

#[tokio::test]
async fn a_process_that_lost_its_lock_file_stops_writing() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let first = open(&settings).unwrap();
    first
        .append(append(&Topic::inbox(), "first"))
        .await
        .unwrap();
    std::fs::remove_file(with_ending(&settings, ".lock")).unwrap();
    let error = first.append(append(&Topic::inbox(), "lost")).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("posthorn.db.lock was moved"), "{error}");
    let second = open(&settings).unwrap();
    let error = first.append(append(&Topic::inbox(), "lost")).await;
    assert!(error.is_err());
    second
        .append(append(&Topic::inbox(), "second"))
        .await
        .unwrap();
    first.close().await;
    assert_eq!(
        clean_mark(&settings.path),
        0,
        "it says nothing of the other's file"
    );
    assert_eq!(texts(&second).await, ["first", "second"]);
    second.close().await;
}

#[tokio::test]
async fn a_file_without_its_name_accepts_no_message() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    store
        .append(append(&Topic::inbox(), "first"))
        .await
        .unwrap();
    let away = settings.path.with_extension("away");
    std::fs::rename(&settings.path, &away).unwrap();
    for is_replaced in [false, true] {
        if is_replaced {
            std::fs::write(&settings.path, "").unwrap();
        }
        let error = store.append(append(&Topic::inbox(), "lost")).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("was moved or removed"), "{error}");
        let health = store.health().await;
        assert!(
            matches!(health, Err(StoreError::Unavailable(_))),
            "{health:?}"
        );
    }
    std::fs::rename(&away, &settings.path).unwrap();
    assert_eq!(store.health().await, Ok(()));
    store
        .append(append(&Topic::inbox(), "second"))
        .await
        .unwrap();
    assert_eq!(texts(&store).await, ["first", "second"]);
}

#[tokio::test]
async fn without_the_name_of_its_log_nothing_is_acknowledged_and_closing_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    store
        .append(append(&Topic::inbox(), "first"))
        .await
        .unwrap();
    std::fs::remove_file(with_ending(&settings, "-wal")).unwrap();
    let appends = (0..10).map(|_| store.append(append(&Topic::inbox(), "lost")));
    for outcome in futures_util::future::join_all(appends).await {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("posthorn.db-wal was moved"), "{error}");
    }
    let health = store.health().await;
    assert!(
        matches!(health, Err(StoreError::Unavailable(_))),
        "{health:?}"
    );
    store.close().await;
    assert_eq!(clean_mark(&settings.path), 1);
    let store = open(&settings).unwrap();
    assert_eq!(texts(&store).await, ["first"]);
}

/// A clock that runs a hook when it is first read: the writer reads it inside a transaction.
struct MeddlingClock {
    inner: FakeClock,
    deed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[async_trait]
impl Clock for MeddlingClock {
    fn now(&self) -> Timestamp {
        if let Some(deed) = self.deed.lock().unwrap().take() {
            deed();
        }
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration).await;
    }
}

#[tokio::test]
async fn a_batch_in_a_file_that_was_moved_is_not_acknowledged() {
    for ending in ["", "-wal"] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        let clock = Arc::new(MeddlingClock {
            inner: FakeClock::new(),
            deed: Mutex::new(None),
        });
        let store = EmbeddedStore::open(&settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        store
            .append(append(&Topic::inbox(), "first"))
            .await
            .unwrap();
        let (name, away) = (
            with_ending(&settings, ending),
            directory.path().join("away"),
        );
        let moved = (name.clone(), away.clone());
        *clock.deed.lock().unwrap() =
            Some(Box::new(move || std::fs::rename(moved.0, moved.1).unwrap()));
        let error = store.append(append(&Topic::inbox(), "second")).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("was moved or removed"), "{error}");
        std::fs::rename(&away, &name).unwrap();
        store
            .append(append(&Topic::inbox(), "third"))
            .await
            .unwrap();
        // The batch was written; the store could not know that.
        assert_eq!(texts(&store).await, ["first", "second", "third"]);
    }
}
