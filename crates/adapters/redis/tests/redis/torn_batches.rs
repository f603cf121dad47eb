//! A server whose append-only file ends within a batch: it is restored as a whole or not at all.

use posthorn_application::{AppendedBatch, MessageStore};
use posthorn_domain::Topic;
use posthorn_redis::{RedisStore, RedisStoreSettings};
use posthorn_testkit::{RedisServer, samples};
use secrecy::SecretString;

use crate::support::{DAY, connect, texts};

const BATCH: [&str; 4] = ["0", "1", "2", "3"];

async fn store(server: &RedisServer) -> RedisStore {
    let settings = RedisStoreSettings::new(SecretString::from(server.url()));
    connect(settings).await
}

async fn send(store: &RedisStore, key: Option<&str>) -> AppendedBatch {
    let topic = Topic::inbox();
    let append = match key {
        Some(key) => samples::keyed_batch(&topic, &BATCH, key, DAY),
        None => samples::batch(&topic, &BATCH),
    };
    store.append_batch(append).await.unwrap()
}

async fn crash(server: &mut RedisServer) {
    server.stop();
    server.start_again().await;
}

/// The texts of the topic: what stands before the batch, then the batch or nothing of it.
async fn read(server: &RedisServer, what: &str) -> Vec<String> {
    let found = texts(&store(server).await, &Topic::inbox()).await;
    assert_eq!(
        found.first().map(String::as_str),
        Some("before"),
        "{what}: {found:?}"
    );
    found
}

/// Cuts from the end of `EXEC` to within the first write, in steps that hit each command. The writes of a
/// key make the transaction longer.
fn cuts(key: Option<&str>) -> impl Iterator<Item = u64> {
    let length = if key.is_some() { 700 } else { 500 };
    (1..length).step_by(61)
}

/// A stopped server with a batch after a single message.
async fn stopped_server(key: Option<&str>) -> RedisServer {
    let mut server = RedisServer::start_durable().await;
    let store = store(&server).await;
    let before = samples::append(&Topic::inbox(), "before");
    store.append(before).await.unwrap();
    send(&store, key).await;
    server.stop();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_batch_is_absent_and_stays_absent() {
    for key in [None, Some("key")] {
        let stopped = stopped_server(key).await;
        for cut in cuts(key) {
            let what = format!("{key:?}, {cut} bytes torn");
            let mut server = stopped.torn_copy(cut).await;
            assert_eq!(read(&server, &what).await, ["before"], "{what}");
            // Another access writes behind the torn transaction, and the next restart executes both.
            let after = samples::append(&Topic::inbox(), "after");
            store(&server).await.append(after).await.unwrap();
            for _ in 0..2 {
                crash(&mut server).await;
                let found = read(&server, &what).await;
                let is_whole = found == ["before", "0", "1", "2", "3", "after"];
                assert!(
                    is_whole || found == ["before", "after"],
                    "{what}: {found:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_sent_again_after_it_was_torn_is_stored_once() {
    let stopped = stopped_server(Some("key")).await;
    for cut in cuts(Some("key")) {
        let what = format!("{cut} bytes torn");
        let mut server = stopped.torn_copy(cut).await;
        let sent = send(&store(&server).await, Some("key")).await;
        assert!(!sent.replayed, "{what}");
        for _ in 0..3 {
            crash(&mut server).await;
            let again = send(&store(&server).await, Some("key")).await;
            assert!(again.replayed && again.first == sent.first, "{what}");
            let found = read(&server, &what).await;
            assert_eq!(found, ["before", "0", "1", "2", "3"], "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_restored_to_an_unused_topic_is_whole_or_absent() {
    for key in [None, Some("key")] {
        let stopped = stopped_server(key).await;
        for cut in cuts(key) {
            let what = format!("{key:?}, {cut} bytes torn");
            let mut server = stopped.torn_copy(cut).await;
            // A transaction of another topic ends the torn one at the next restart.
            let other = samples::keyed_append(&samples::topic("other"), "text", "key", DAY);
            store(&server).await.append(other).await.unwrap();
            crash(&mut server).await;
            let found = read(&server, &what).await;
            let is_whole = found == ["before", "0", "1", "2", "3"];
            assert!(is_whole || found == ["before"], "{what}: {found:?}");
            if key.is_some() {
                let again = send(&store(&server).await, key).await;
                assert_eq!(again.replayed, is_whole, "{what}");
                let found = read(&server, &what).await;
                assert_eq!(found, ["before", "0", "1", "2", "3"], "{what}");
            }
        }
    }
}
