//! A server whose append-only file ends within a transaction, because it was killed while it wrote.
//!
//! The server cuts off what is not whole, but leaves the beginning of the transaction in the file:
//! with the next restart that comes back, and takes what follows it along.

use std::time::Duration;

use posthorn_application::{Appended, MessageStore};
use posthorn_domain::{Durability, Topic};
use posthorn_redis::{RedisStore, RedisStoreSettings};
use posthorn_testkit::{RedisServer, eventually, samples};
use secrecy::SecretString;

use crate::support::{DAY, store, texts};

/// What a transaction of a keyed append ends with: `EXEC` and its length.
const EXEC: u64 = 14;

/// Cuts within `EXEC`, at its beginning, within `SET` and within `XADD`.
const CUTS: [u64; 6] = [1, EXEC - 1, EXEC, EXEC + 1, EXEC + 100, EXEC + 300];

async fn synced_store(server: &RedisServer) -> RedisStore {
    let settings = RedisStoreSettings::new(SecretString::from(server.url()));
    assert_eq!(settings.durability, Durability::Synced);
    RedisStore::connect(settings).await.unwrap()
}

async fn send(store: &RedisStore, key: &str) -> Appended {
    let append = samples::keyed_append(&Topic::inbox(), key, key, DAY);
    store.append(append).await.unwrap()
}

async fn crash(server: &mut RedisServer, torn: u64) {
    server.stop();
    server.tear_log(torn);
    server.start_again().await;
}

/// A server that lost the end of the append of `lost`, after that of `kept`.
async fn torn_server(cut: u64) -> RedisServer {
    let mut server = RedisServer::start_durable().await;
    let store = synced_store(&server).await;
    send(&store, "kept").await;
    send(&store, "lost").await;
    drop(store);
    crash(&mut server, cut).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_after_it_was_torn_is_stored_once() {
    for cut in CUTS {
        let mut server = torn_server(cut).await;
        let store = synced_store(&server).await;
        assert_eq!(texts(&store, &Topic::inbox()).await, ["kept"], "{cut}");
        let sent = send(&store, "lost").await;
        assert!(!sent.replayed, "{cut}");
        for restart in 0..3 {
            crash(&mut server, 0).await;
            let inbox = Topic::inbox();
            // A reader is the first to come, and a writer.
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
async fn a_message_that_is_sent_again_only_after_it_came_back_is_stored_once() {
    for cut in CUTS {
        let mut server = torn_server(cut).await;
        let store = synced_store(&server).await;
        send(&store, "other").await;
        crash(&mut server, 0).await;
        let sent = send(&synced_store(&server).await, "lost").await;
        let mut found = texts(&synced_store(&server).await, &Topic::inbox()).await;
        found.sort();
        assert_eq!(found, ["kept", "lost", "other"], "{cut}");
        crash(&mut server, 0).await;
        let again = send(&synced_store(&server).await, "lost").await;
        assert_eq!(again.receipt, sent.receipt, "{cut}");
        let mut found = texts(&synced_store(&server).await, &Topic::inbox()).await;
        found.sort();
        assert_eq!(found, ["kept", "lost", "other"], "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_came_back_to_a_topic_left_alone_is_stored_once() {
    for cut in CUTS {
        let mut server = torn_server(cut).await;
        let other = samples::append(&samples::topic("other"), "text");
        synced_store(&server).await.append(other).await.unwrap();
        crash(&mut server, 0).await;
        for replayed in [false, true] {
            let again = send(&synced_store(&server).await, "lost").await;
            // A transaction that lacks its end only came back as a whole.
            assert!(again.replayed == replayed || cut <= EXEC, "{cut}");
            let found = texts(&synced_store(&server).await, &Topic::inbox()).await;
            assert_eq!(found, ["kept", "lost"], "{cut}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_after_a_torn_write_is_not_lost_with_it() {
    for cut in CUTS {
        let mut server = torn_server(cut).await;
        let store = synced_store(&server).await;
        let plain = samples::append(&Topic::inbox(), "plain");
        let id = store.append(plain).await.unwrap().receipt.id;
        crash(&mut server, 0).await;
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
    crash(&mut server, 0).await;
    assert_eq!(
        texts(&*connect(&server).await, &Topic::inbox()).await,
        ["kept"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_connects_anew_and_finds_what_came_back() {
    let mut server = torn_server(EXEC).await;
    let (writer, reader) = (synced_store(&server).await, synced_store(&server).await);
    assert_eq!(texts(&reader, &Topic::inbox()).await, ["kept"]);
    send(&writer, "lost").await;
    crash(&mut server, 0).await;
    for store in [&writer, &reader] {
        let answers = async || store.health().await.is_ok();
        eventually(Duration::from_secs(10), answers).await;
    }
    assert_eq!(texts(&reader, &Topic::inbox()).await, ["kept", "lost"]);
    assert!(send(&writer, "lost").await.replayed);
}
