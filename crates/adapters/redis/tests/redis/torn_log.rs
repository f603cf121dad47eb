//! A server whose append-only file ends within a transaction, because it was killed during a write.
//!
//! The server truncates the incomplete command, but leaves the beginning of the transaction in the file.
//! The next restart executes that together with the commands that follow it.

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{Appended, Clock, MessageStore, RetentionPolicy, RevocationList};
use posthorn_domain::{Durability, TokenId, Topic};
use posthorn_redis::{RedisRevocationList, RedisStore, RedisStoreSettings};
use posthorn_testkit::{FakeClock, RedisServer, eventually, samples};
use secrecy::SecretString;

use crate::support::{DAY, PATIENCE, connect, store, texts};

/// The length of `EXEC`, with which a transaction ends.
const EXEC: u64 = 14;

/// The length of what follows the record of a key: `HSET` of `kept`, and `EXEC`.
const END: u64 = 77 + EXEC;

/// Cuts within `EXEC`, at its beginning, within `HSET`, at its beginning, within `SET` and within `XADD`.
const CUTS: [u64; 6] = [1, EXEC, EXEC + 1, END, END + 1, END + 300];

async fn synced_store(server: &RedisServer) -> RedisStore {
    let settings = RedisStoreSettings::new(SecretString::from(server.url()));
    assert_eq!(settings.durability, Durability::Synced);
    connect(settings).await
}

async fn send(store: &RedisStore, key: &str) -> Appended {
    let append = samples::keyed_append(&Topic::inbox(), key, key, DAY);
    store.append(append).await.unwrap()
}

async fn read(server: &RedisServer) -> Vec<String> {
    texts(&synced_store(server).await, &Topic::inbox()).await
}

async fn crash(server: &mut RedisServer) {
    server.stop();
    server.start_again().await;
}

/// A stopped server with the append of `lost` after that of `kept`.
async fn stopped_server() -> RedisServer {
    let mut server = RedisServer::start_durable().await;
    let store = synced_store(&server).await;
    send(&store, "kept").await;
    send(&store, "lost").await;
    server.stop();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_after_it_was_torn_is_stored_once() {
    let stopped = stopped_server().await;
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let store = synced_store(&server).await;
        assert_eq!(texts(&store, &Topic::inbox()).await, ["kept"], "{cut}");
        let sent = send(&store, "lost").await;
        assert!(!sent.replayed, "{cut}");
        for restart in 0..3 {
            crash(&mut server).await;
            let inbox = Topic::inbox();
            // The first access is a read, or a write.
            if restart % 2 == 0 {
                let read = async || texts(&synced_store(&server).await, &inbox).await;
                assert_eq!(read().await, ["kept", "lost"], "{cut} {restart}");
            }
            let again = send(&synced_store(&server).await, "lost").await;
            assert!(again.replayed, "{cut} {restart}");
            assert_eq!(again.receipt, sent.receipt, "{cut} {restart}");
            assert_eq!(texts(&store, &inbox).await, ["kept", "lost"], "{cut}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_after_it_was_restored_is_stored_once() {
    let stopped = stopped_server().await;
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let store = synced_store(&server).await;
        send(&store, "other").await;
        crash(&mut server).await;
        let sent = send(&synced_store(&server).await, "lost").await;
        let mut found = texts(&synced_store(&server).await, &Topic::inbox()).await;
        found.sort();
        assert_eq!(found, ["kept", "lost", "other"], "{cut}");
        crash(&mut server).await;
        let again = send(&synced_store(&server).await, "lost").await;
        assert_eq!(again.receipt, sent.receipt, "{cut}");
        let mut found = texts(&synced_store(&server).await, &Topic::inbox()).await;
        found.sort();
        assert_eq!(found, ["kept", "lost", "other"], "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_restored_to_an_unused_topic_is_stored_once() {
    let stopped = stopped_server().await;
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let other = samples::append(&samples::topic("other"), "text");
        synced_store(&server).await.append(other).await.unwrap();
        crash(&mut server).await;
        for replayed in [false, true] {
            let again = send(&synced_store(&server).await, "lost").await;
            // A transaction that has the record is restored as a whole.
            assert!(again.replayed == replayed || cut <= END, "{cut}");
            let found = texts(&synced_store(&server).await, &Topic::inbox()).await;
            assert_eq!(found, ["kept", "lost"], "{cut}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_acknowledged_after_a_torn_write_is_not_lost_with_it() {
    let stopped = stopped_server().await;
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let store = synced_store(&server).await;
        let plain = samples::append(&Topic::inbox(), "plain");
        let id = store.append(plain).await.unwrap().receipt.id;
        crash(&mut server).await;
        let store = synced_store(&server).await;
        let found = store.get(&Topic::inbox(), id).await.unwrap();
        assert!(found.is_some(), "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_record_was_evicted_stays() {
    let mut server = RedisServer::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "volatile-lru",
    ])
    .await;
    let connect = async |server: &RedisServer| store(&server.url()).await;
    send(&*connect(&server).await, "kept").await;
    let evict = ["DEL", "posthorn:{t:inbox}:key:kept"];
    assert_eq!(server.command(&evict).await.unwrap(), "1");
    crash(&mut server).await;
    assert_eq!(
        texts(&*connect(&server).await, &Topic::inbox()).await,
        ["kept"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_store_reconnects_and_removes_what_was_restored() {
    let mut server = stopped_server().await.torn_copy(EXEC).await;
    let (writer, reader) = (synced_store(&server).await, synced_store(&server).await);
    assert_eq!(texts(&reader, &Topic::inbox()).await, ["kept"]);
    send(&writer, "lost").await;
    crash(&mut server).await;
    for store in [&writer, &reader] {
        let answers = async || store.health().await.is_ok();
        eventually(PATIENCE, answers).await;
    }
    assert_eq!(texts(&reader, &Topic::inbox()).await, ["kept", "lost"]);
    assert!(send(&writer, "lost").await.replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reused_after_its_end_removes_no_message() {
    let mut server = RedisServer::start_durable().await;
    let topics = [samples::topic("one"), samples::topic("other")];
    let store = synced_store(&server).await;
    for topic in &topics {
        let append = samples::keyed_append(topic, "first", "key", Duration::from_millis(50));
        store.append(append).await.unwrap();
    }
    let ended = async || {
        let records = topics
            .each_ref()
            .map(|topic| format!("posthorn:{{t:{topic}}}:key:key"));
        let exist = ["EXISTS", &records[0], &records[1]];
        server.command(&exist).await.unwrap() == "0"
    };
    eventually(PATIENCE, ended).await;
    crash(&mut server).await;
    // A reader is the first, so that the fence begins at the first message.
    let store = synced_store(&server).await;
    for topic in &topics {
        assert_eq!(texts(&store, topic).await, ["first"]);
        let append = samples::keyed_append(topic, "second", "key", DAY);
        let appended = store.append(append).await.unwrap();
        assert!(!appended.replayed);
        if topic == &topics[1] {
            // Then the first message is the newest.
            let deleted = store.delete(topic, appended.receipt.id).await;
            assert_eq!(deleted, Ok(true));
        }
    }
    for _ in 0..2 {
        crash(&mut server).await;
        let store = synced_store(&server).await;
        assert_eq!(texts(&store, &topics[0]).await, ["first", "second"]);
        assert_eq!(texts(&store, &topics[1]).await, ["first"]);
    }
}

/// Cuts within the transaction of a fence: `EXEC`, at its beginning, both `HSET` and `XSETID`.
const FENCE_CUTS: [u64; 8] = [
    1,
    EXEC,
    EXEC + 1,
    EXEC + 40,
    EXEC + 90,
    EXEC + 150,
    EXEC + 200,
    EXEC + 250,
];

/// Cuts within the transaction of the fence of a new topic: `EXEC`, at its beginning, and both `HSET`.
const NEW_FENCE_CUTS: [u64; 6] = [1, EXEC, EXEC + 1, EXEC + 40, EXEC + 90, EXEC + 150];

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_fence_does_no_harm() {
    let stopped = stopped_server().await;
    for (lost, expected) in [(0, &["kept", "lost"][..]), (END + 1, &["kept"])] {
        let mut fenced = stopped.torn_copy(lost).await;
        // The reader writes only the fence.
        assert_eq!(read(&fenced).await, expected, "{lost}");
        fenced.stop();
        for cut in FENCE_CUTS {
            let mut server = fenced.torn_copy(cut).await;
            let other = samples::append(&samples::topic("other"), "text");
            synced_store(&server).await.append(other).await.unwrap();
            crash(&mut server).await;
            assert_eq!(read(&server).await, expected, "{lost} {cut}");
            for _ in 0..2 {
                let again = send(&synced_store(&server).await, "lost").await;
                assert!(again.replayed || lost > 0, "{lost} {cut}");
                assert_eq!(read(&server).await, ["kept", "lost"], "{lost} {cut}");
                crash(&mut server).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_fence_of_a_new_topic_does_no_harm() {
    let mut fenced = RedisServer::start_durable().await;
    let store = synced_store(&fenced).await;
    // The fence is the last write.
    let refuse = ["ACL", "SETUSER", "default", "-xadd"];
    fenced.command(&refuse).await.unwrap();
    let append = samples::append(&Topic::inbox(), "refused");
    store.append(append).await.unwrap_err();
    let fence = ["EXISTS", "posthorn:{t:inbox}:fence"];
    assert_eq!(fenced.command(&fence).await.unwrap(), "1");
    drop(store);
    fenced.stop();
    for cut in NEW_FENCE_CUTS {
        let mut server = fenced.torn_copy(cut).await;
        let other = samples::append(&samples::topic("other"), "text");
        synced_store(&server).await.append(other).await.unwrap();
        for _ in 0..2 {
            crash(&mut server).await;
            let store = synced_store(&server).await;
            assert!(texts(&store, &Topic::inbox()).await.len() < 2, "{cut}");
            send(&store, "text").await;
            assert_eq!(texts(&store, &Topic::inbox()).await, ["text"], "{cut}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_after_a_torn_write_is_permanent() {
    let mut stopped = RedisServer::start_durable().await;
    let store = synced_store(&stopped).await;
    send(&store, "kept").await;
    let deleted = send(&store, "deleted").await.receipt.id;
    send(&store, "lost").await;
    drop(store);
    stopped.stop();
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let (store, inbox) = (synced_store(&server).await, Topic::inbox());
        assert_eq!(store.delete(&inbox, deleted).await, Ok(true), "{cut}");
        drop(store);
        for _ in 0..2 {
            crash(&mut server).await;
            let store = synced_store(&server).await;
            assert_eq!(store.get(&inbox, deleted).await, Ok(None), "{cut}");
            let mut found = texts(&store, &inbox).await;
            // A transaction that has the record can be restored as a whole.
            found.retain(|text| cut > END || text != "lost");
            assert_eq!(found, ["kept"], "{cut}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_after_a_torn_write_is_permanent() {
    let stopped = stopped_server().await;
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let clock = Arc::new(FakeClock::new());
        let until = clock.now().saturating_add(DAY);
        let list = async |server: &RedisServer| {
            let store = Arc::new(synced_store(server).await);
            RedisRevocationList::new(store, Arc::clone(&clock) as Arc<dyn Clock>)
        };
        let id = TokenId::parse("revoked").unwrap();
        list(&server).await.revoke(&id, until).await.unwrap();
        crash(&mut server).await;
        let list = list(&server).await;
        assert_eq!(list.is_revoked(&id).await, Ok(true), "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_after_a_torn_write_keeps_the_same_messages() {
    let mut stopped = RedisServer::start_durable().await;
    let store = synced_store(&stopped).await;
    for key in ["old", "kept", "lost"] {
        send(&store, key).await;
    }
    drop(store);
    stopped.stop();
    for cut in CUTS {
        let mut server = stopped.torn_copy(cut).await;
        let store = synced_store(&server).await;
        for key in ["a", "b"] {
            send(&store, key).await;
        }
        let policy = RetentionPolicy {
            max_age: DAY,
            max_count: 3,
        };
        assert_eq!(store.prune(&policy, 100).await.unwrap().removed, 1, "{cut}");
        drop(store);
        crash(&mut server).await;
        let mut found = read(&server).await;
        // A transaction that has the record is restored as a whole.
        found.retain(|text| cut > END || text != "lost");
        assert_eq!(found, ["kept", "a", "b"], "{cut}");
    }
}
