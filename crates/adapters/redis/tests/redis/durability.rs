//! What receipts name, and what is refused.

use std::time::{Duration, Instant};

use posthorn_application::{AppendError, MessageStore, StoreError};
use posthorn_domain::{Durability, Topic};
use posthorn_redis::{RedisStore, RedisStoreError, RedisStoreSettings};
use posthorn_testkit::{RedisServer, eventually, samples};

use crate::support::{DAY, store_settings};

fn requiring(durability: Durability, server: &RedisServer) -> RedisStoreSettings {
    let mut settings = store_settings(&server.url());
    settings.durability = durability;
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_name_what_the_server_does() {
    for (server, expected) in [
        (RedisServer::start().await, Durability::Memory),
        (RedisServer::start_durable().await, Durability::Synced),
        (
            RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"]).await,
            Durability::Memory,
        ),
    ] {
        let store = RedisStore::connect(requiring(Durability::Memory, &server))
            .await
            .unwrap();
        let receipt = store
            .append(samples::append(&Topic::inbox(), "text"))
            .await
            .unwrap()
            .receipt;
        assert_eq!(
            (store.durability(), receipt.durability),
            (expected, expected)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_reach_the_durability_is_refused_with_what_to_set() {
    let plain = RedisServer::start().await;
    let secretive = RedisServer::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--rename-command",
        "CONFIG",
        "",
    ])
    .await;
    for server in [&plain, &secretive] {
        let error = RedisStore::connect(requiring(Durability::Synced, server))
            .await
            .err()
            .unwrap();
        assert_eq!(error, RedisStoreError::NotSynced);
        assert!(error.to_string().contains("appendfsync always"));
    }
    let error = RedisStore::connect(requiring(Durability::Replicated, &plain))
        .await
        .err()
        .unwrap();
    assert_eq!(
        error,
        RedisStoreError::NotReplicated {
            wanted: 1,
            found: 0
        }
    );
    RedisStore::connect(requiring(Durability::Memory, &secretive))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_or_hung_server_refuses_the_start_in_time() {
    let mut server = RedisServer::start().await;
    server.pause();
    for round in 0..2 {
        let begin = Instant::now();
        let outcome = RedisStore::connect(requiring(Durability::Memory, &server)).await;
        assert!(
            matches!(outcome.err(), Some(RedisStoreError::Unreachable(_))),
            "{round}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "{:?}",
            begin.elapsed()
        );
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_syncing_is_unavailable_once_it_is_found_out() {
    let mut server = RedisServer::start_durable().await;
    let store = RedisStore::connect(requiring(Durability::Synced, &server))
        .await
        .unwrap();
    store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
    server
        .command(&["CONFIG", "SET", "appendfsync", "no"])
        .await
        .unwrap();
    server
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .await
        .unwrap();
    let refused = async || {
        let outcome = store.append(samples::append(&Topic::inbox(), "text")).await;
        matches!(outcome, Err(AppendError::Store(StoreError::Unavailable(text)))
            if text.contains("durability memory"))
    };
    eventually(Duration::from_secs(5), refused).await;
    assert!(store.health().await.is_err());
    server.stop();
    server.start_again().await;
    store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicated_is_named_only_once_the_replica_has_it() {
    let primary = RedisServer::start_with(&["--save", "", "--repl-diskless-sync-delay", "0"]).await;
    let replica = RedisServer::start_with(&[
        "--save",
        "",
        "--replicaof",
        &format!("127.0.0.1 {}", primary.port()),
    ])
    .await;
    // Up to a second after it is online, a replica has not acknowledged anything.
    let acknowledges = async || {
        primary
            .command(&["SET", "something", "to copy"])
            .await
            .unwrap();
        let info = primary.command(&["INFO", "replication"]).await.unwrap();
        info.contains("state=online") && !info.contains("offset=0,")
    };
    eventually(Duration::from_secs(20), acknowledges).await;
    let settings = requiring(Durability::Replicated, &primary);
    let refused = RedisStore::connect(requiring(Durability::Memory, &replica)).await;
    assert_eq!(refused.err(), Some(RedisStoreError::Replica));
    let store = RedisStore::connect(settings.clone()).await.unwrap();
    let other = RedisStore::connect(settings).await.unwrap();
    let keyed = || samples::keyed_append(&Topic::inbox(), "text", "key", DAY);
    let first = store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
    assert_eq!(first.receipt.durability, Durability::Replicated);

    replica.pause();
    let begin = Instant::now();
    for _ in 0..2 {
        // The first one stores it and the second one finds it; neither may say so.
        let outcome = store.append(keyed()).await;
        assert!(
            matches!(
                &outcome,
                Err(AppendError::Store(StoreError::Unavailable(_)))
            ),
            "{outcome:?}"
        );
    }
    assert!(begin.elapsed() < 2 * store.bound());
    // Nor may a connection that never wrote the message.
    assert!(other.append(keyed()).await.is_err());
    assert!(store.health().await.is_err());

    replica.resume();
    eventually(Duration::from_secs(10), async || {
        other.append(keyed()).await.is_ok()
    })
    .await;
    let replay = store.append(keyed()).await.unwrap();
    assert!(replay.replayed);
    assert_eq!(replay.receipt.durability, Durability::Replicated);
    assert_eq!(
        primary
            .command(&["XLEN", "posthorn:{t:inbox}:messages"])
            .await
            .unwrap(),
        "2"
    );
}
