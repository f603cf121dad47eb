//! Lost and damaged records: readers learn of them, and the others stay readable.

use posthorn_application::{BulkDeletion, Page, TopicRequest};

use super::*;

pub(crate) fn shell(settings: &EmbeddedStoreSettings) -> Connection {
    Connection::open(&settings.path).unwrap()
}

async fn after(store: &EmbeddedStore, id: MessageId) -> Page {
    let request = PageRequest {
        anchor: Anchor::After(id),
        limit: PageLimit::MAX,
    };
    store.page(&Topic::inbox(), request).await.unwrap()
}

async fn send(store: &EmbeddedStore, text: &str) -> MessageId {
    let appended = store.append(append(&Topic::inbox(), text)).await;
    appended.unwrap().receipt.id
}

#[tokio::test]
async fn a_cursor_that_an_older_backup_does_not_know_is_truncated() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let clock = Arc::new(FakeClock::new());
    let open = || EmbeddedStore::open(&settings, clock.clone() as Arc<dyn Clock>).unwrap();
    let pass = || clock.advance(Duration::from_secs(1));
    let store = open();
    let mut kept = vec![send(&store, "a").await, send(&store, "b").await];
    store.close().await;
    let backup = std::fs::read(&settings.path).unwrap();
    pass();
    let store = open();
    let mut lost = Vec::new();
    for text in ["c", "d", "e"] {
        pass();
        lost.push(send(&store, text).await);
    }
    store.close().await;
    std::fs::write(&settings.path, backup).unwrap();
    pass();
    let store = open();
    for id in &lost {
        assert!(after(&store, *id).await.truncated, "{id} at the start");
    }
    // The numbers of the lost messages are given again, to another topic first.
    let other = Topic::parse("other").unwrap();
    store.append(append(&other, "f")).await.unwrap();
    for text in ["g", "h", "i", "j"] {
        pass();
        kept.push(send(&store, text).await);
    }
    for id in &lost {
        let page = after(&store, *id).await;
        assert!(page.truncated, "{id}");
        assert_eq!(page.messages.len(), 4, "{id}");
    }
    for id in &kept {
        assert!(!after(&store, *id).await.truncated, "{id}");
    }
    store.close().await;
    let store = open();
    for id in kept {
        let (truncated, deleted) = (false, store.delete(&Topic::inbox(), id).await);
        assert_eq!(
            (after(&store, id).await.truncated, deleted),
            (truncated, Ok(true))
        );
    }
    for id in lost {
        assert!(after(&store, id).await.truncated, "{id} after a restart");
    }
}

#[tokio::test]
async fn a_damaged_message_is_named_and_hides_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let mut ids = Vec::new();
    for text in ["a", "b", "c", "d", "e"] {
        ids.push(send(&store, text).await);
    }
    let shell = shell(&settings);
    for (damage, place) in [
        ("content = 'x'", 1),
        ("attributes = '[]'", 2),
        ("stored_ms = 1", 4),
    ] {
        let update = format!("UPDATE messages SET {damage} WHERE seq = ?1");
        let seq = i64::try_from(ids[place].sequence()).unwrap();
        assert_eq!(shell.execute(&update, [seq]).unwrap(), 1);
    }
    let page = after(&store, MessageId::MIN).await;
    assert_eq!(page.unreadable, [ids[1], ids[2], ids[4]]);
    assert_eq!(texts(&store).await, ["a", "d"]);
    for anchor in [Anchor::Newest, Anchor::Before(MessageId::MAX)] {
        let limit = PageLimit::parse(3).unwrap();
        let request = PageRequest { anchor, limit };
        let page = store.page(&Topic::inbox(), request).await.unwrap();
        assert_eq!(page.unreadable, [ids[2], ids[4]]);
        assert!(page.has_older && !page.has_newer);
    }
    let found = store.get(&Topic::inbox(), ids[1]).await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    assert_eq!(store.delete(&Topic::inbox(), ids[1]).await, Ok(true));
}

#[tokio::test]
async fn a_damaged_traceparent_is_found() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let mut append = append(&Topic::inbox(), "text");
    append.message.traceparent = Some(samples::traceparent(1));
    let id = store.append(append).await.unwrap().receipt.id;
    let shell = shell(&settings);
    let (other, kept) = (samples::traceparent(2), samples::traceparent(1));
    for (traceparent, is_readable) in [
        (Some(other.as_str()), false),
        (Some("00-1-1-01"), false),
        (None, false),
        (Some(kept.as_str()), true),
    ] {
        let update = "UPDATE messages SET traceparent = ?1";
        assert_eq!(shell.execute(update, [traceparent]).unwrap(), 1);
        let found = store.get(&Topic::inbox(), id).await;
        assert_eq!(found.is_ok(), is_readable, "{traceparent:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_topic_with_a_damaged_name_hides_only_itself() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    for name in ["a", "b", "c", "d"] {
        let topic = Topic::parse(name).unwrap();
        store.append(append(&topic, "text")).await.unwrap();
    }
    let damage = "UPDATE topics SET name = CAST(x'62ff' AS TEXT) WHERE name = 'b'; \
                  UPDATE topics SET name = 'C D' WHERE name = 'c'";
    shell(&settings).execute_batch(damage).unwrap();
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let limit = PageLimit::parse(1).unwrap();
        let page = store
            .topics(TopicRequest::after(after.as_ref(), limit))
            .await
            .unwrap();
        names.extend(page.topics.iter().map(|topic| topic.topic.to_string()));
        after = page.topics.last().map(|topic| topic.topic.clone());
        if !page.has_more {
            break;
        }
    }
    assert_eq!(names, ["a", "d"]);
}

fn beside(settings: &EmbeddedStoreSettings, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", settings.path.display()))
}

fn truncate(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

#[tokio::test]
async fn a_truncated_or_overwritten_index_is_built_again() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    let mut sent = Vec::new();
    for damage in ["first", "truncate", "read", "overwrite", "cut", "last"] {
        sent.push(damage.to_owned());
        send(&store, damage).await;
        let index = beside(&settings, "-shm");
        match damage {
            "truncate" | "read" => truncate(&index, 0),
            "cut" => truncate(&index, 100),
            "overwrite" => {
                let bytes = vec![0xa5; usize::try_from(index.metadata().unwrap().len()).unwrap()];
                std::fs::write(&index, bytes).unwrap();
            }
            _ => {}
        }
        if damage != "truncate" {
            assert_eq!(texts(&store).await, sent, "{damage}");
        }
    }
    assert_eq!(store.health().await, Ok(()));
    store.close().await;
    assert_eq!(texts(&open(&settings).unwrap()).await, sent);
}

#[tokio::test]
async fn a_truncated_log_is_noticed_before_the_next_write() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    send(&store, "a").await;
    truncate(&beside(&settings, "-wal"), 0);
    let outcome = store.append(append(&Topic::inbox(), "b")).await;
    assert!(matches!(outcome, Err(AppendError::Store(_))), "{outcome:?}");
    assert!(store.health().await.is_err());
}

#[tokio::test]
async fn a_stop_behind_a_truncated_log_leaves_the_database_as_it_is() {
    // Noticed by a write, or only by the stop, also of a log with nothing but what the start wrote.
    for (is_noticed, is_written, length) in [
        (true, true, 0),
        (false, true, 0),
        (false, true, 5000),
        (false, false, 0),
    ] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        let store = open(&settings).unwrap();
        for number in 0..40 {
            send(&store, &format!("{number} {}", "x".repeat(900))).await;
        }
        let whole = texts(&store).await;
        assert_eq!(whole.len(), 40);
        store.close().await;
        let store = open(&settings).unwrap();
        if is_written {
            send(&store, "lost").await;
        }
        truncate(&beside(&settings, "-wal"), length);
        if is_noticed {
            let outcome = store.append(append(&Topic::inbox(), "rejected")).await;
            assert!(matches!(outcome, Err(AppendError::Store(_))), "{outcome:?}");
        }
        store.close().await;
        assert_eq!(texts(&open(&settings).unwrap()).await, whole);
    }
}

#[tokio::test]
async fn nothing_is_accepted_into_a_truncated_database() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    for number in 0..40 {
        send(&store, &format!("{number} {}", "x".repeat(900))).await;
    }
    store.close().await;
    for length in [8192, 32_768] {
        let copy = directory.path().join(format!("{length}.db"));
        std::fs::copy(&settings.path, &copy).unwrap();
        let store = open(&EmbeddedStoreSettings {
            path: copy.clone(),
            ..settings.clone()
        });
        let store = store.unwrap();
        send(&store, "a").await;
        truncate(&copy, length);
        for _ in 0..3 {
            let outcome = store.append(append(&Topic::inbox(), "b")).await;
            assert!(matches!(outcome, Err(AppendError::Store(_))), "{outcome:?}");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn health_notices_lost_tables_and_a_truncated_file() {
    for damage in [
        "DROP TABLE messages",
        "DROP TABLE webhook_attempts",
        "truncate",
        "header",
    ] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        let store = open(&settings).unwrap();
        for number in 0..40 {
            send(&store, &format!("{number} {}", "x".repeat(900))).await;
        }
        assert_eq!(store.health().await, Ok(()));
        let shell = shell(&settings);
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        shell.query_row(checkpoint, [], |_| Ok(())).unwrap();
        match damage {
            "truncate" => truncate(&settings.path, 8192),
            "header" => {
                let mut bytes = std::fs::read(&settings.path).unwrap();
                bytes[..100].fill(0);
                // In place, as a shell that overwrites it.
                std::fs::write(&settings.path, bytes).unwrap();
            }
            drop_table => shell.execute_batch(drop_table).unwrap(),
        }
        // A probe of the writer that succeeds mends nothing.
        for _ in 0..3 {
            let health = store.health().await;
            assert!(health.is_err(), "{damage}: {health:?}");
            let _ = store.append(append(&Topic::inbox(), "a")).await;
        }
    }
}

#[tokio::test]
async fn a_damaged_index_of_topics_is_unhealthy_and_the_next_start_rejects_it() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    send(&store, "a").await;
    store.close().await;
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_topics_1'";
    let root: usize = shell(&settings)
        .query_row(root, [], |row| row.get::<_, u32>(0))
        .unwrap()
        .try_into()
        .unwrap();
    let mut bytes = std::fs::read(&settings.path).unwrap();
    bytes[(root - 1) * 4096..root * 4096].fill(0xa5);
    std::fs::write(&settings.path, bytes).unwrap();
    let store = open(&settings).unwrap();
    for _ in 0..3 {
        assert!(store.health().await.is_err());
        let outcome = store.append(append(&Topic::inbox(), "b")).await;
        assert!(matches!(outcome, Err(AppendError::Store(_))), "{outcome:?}");
    }
    store.close().await;
    let error = open_error(&settings);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_is_no_id_does_not_stop_a_deletion_in_bulk() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = open(&settings).unwrap();
    for text in ["a", "b"] {
        send(&store, text).await;
    }
    let damage = "UPDATE messages SET ms = -1 WHERE content = 'a'";
    assert_eq!(shell(&settings).execute(damage, []).unwrap(), 1);
    let inbox = Topic::inbox();
    let deletion = store.delete_before(&inbox, MessageId::MAX, 100);
    let expected = BulkDeletion {
        deleted: 2,
        more: false,
    };
    assert_eq!(deletion.await, Ok(expected));
}
