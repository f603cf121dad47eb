//! Backups: of a store that is written, closed or absent.

use std::os::unix::fs::PermissionsExt;

use posthorn_embedded::{BackupError, back_up, inspect};

use super::*;

/// The texts of the store at `path`, opened as a server opens it.
async fn restored(path: &Path) -> Vec<String> {
    let store = open(&EmbeddedStoreSettings::new(path.to_path_buf())).unwrap();
    let texts = texts(&store).await;
    let appended = store.append(append(&Topic::inbox(), "after")).await;
    appended.unwrap();
    store.close().await;
    texts
}

#[tokio::test]
async fn a_backup_of_a_store_in_use_opens_and_serves() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    for text in ["a", "b"] {
        store.append(append(&Topic::inbox(), text)).await.unwrap();
    }
    let target = directory.path().join("backup.db");
    let length = back_up(&settings.path, &target).unwrap();
    store.append(append(&Topic::inbox(), "c")).await.unwrap();
    let found = target.metadata().unwrap();
    assert_eq!(found.len(), length);
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(restored(&target).await, ["a", "b"]);

    let target = directory.path().join("second.db");
    store.close().await;
    back_up(&settings.path, &target).unwrap();
    assert_eq!(restored(&target).await, ["a", "b", "c"]);
    let beside = std::fs::read_dir(settings.path.parent().unwrap()).unwrap();
    assert_eq!(beside.count(), 3, "the store, its lock and its reserve");
    let names = std::fs::read_dir(directory.path()).unwrap();
    let hidden =
        names.filter(|entry| entry.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'.');
    assert_eq!(hidden.count(), 0);
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_needs_a_store() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let target = directory.path().join("backup.db");
    let absent = back_up(&settings.path, &target);
    assert!(matches!(absent, Err(BackupError::Absent(_))), "{absent:?}");
    assert!(!target.exists() && !settings.path.exists());

    open(&settings).unwrap().close().await;
    std::fs::write(&target, "mine").unwrap();
    let exists = back_up(&settings.path, &target);
    assert!(matches!(exists, Err(BackupError::Exists(_))), "{exists:?}");
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");

    let nowhere = back_up(&settings.path, &directory.path().join("no/backup.db"));
    assert!(
        matches!(nowhere, Err(BackupError::Target { .. })),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn a_look_at_a_store_leaves_it_as_it_was() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let now = FakeClock::new().now();
    let look = || inspect(&settings.path, now);
    assert_eq!(look().unwrap(), None);
    assert!(!settings.path.exists());
    let store = open(&settings).unwrap();
    store.append(append(&Topic::inbox(), "a")).await.unwrap();
    assert!(look().unwrap().is_some(), "beside a server");
    store.close().await;
    let content = std::fs::read(&settings.path).unwrap();
    assert_eq!(look().unwrap().unwrap().seen, Some(now));
    assert_eq!(std::fs::read(&settings.path).unwrap(), content);
    let beside = std::fs::read_dir(settings.path.parent().unwrap()).unwrap();
    assert_eq!(beside.count(), 3, "the store, its lock and its reserve");

    std::fs::write(&settings.path, "not a database, but a text of some length").unwrap();
    assert!(look().is_err());
}

#[test]
fn no_backup_is_made_of_another_database() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("other.db");
    let other = Connection::open(&source).unwrap();
    other.execute_batch("CREATE TABLE t (a)").unwrap();
    let target = directory.path().join("backup.db");
    let foreign = back_up(&source, &target);
    assert!(
        matches!(foreign, Err(BackupError::Store(OpenError::Foreign(_)))),
        "{foreign:?}"
    );
    assert!(!target.exists());
}

#[tokio::test]
async fn an_emptied_store_is_damaged_and_keeps_its_log() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    store.append(append(&Topic::inbox(), "a")).await.unwrap();
    store.close().await;
    std::fs::write(&settings.path, "").unwrap();
    let log = settings.path.with_extension("db-wal");
    std::fs::write(&log, "what can be saved").unwrap();

    let target = directory.path().join("backup.db");
    let refused = back_up(&settings.path, &target).unwrap_err().to_string();
    assert!(refused.contains("is damaged: it is empty"), "{refused}");
    assert!(!target.exists());
    let refused = inspect(&settings.path, Timestamp::default()).unwrap_err();
    assert!(refused.to_string().contains("it is empty"), "{refused}");
    assert_eq!(std::fs::read(&log).unwrap(), b"what can be saved");
}
